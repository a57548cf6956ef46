"""How fast eight users are served, and how soon a known system prompt gives the first token."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from typing import Any

from lab_checks import prompts
from lab_checks.chats import Answer, ask, baseline, trusted

from grader.checks.base import Check, Context
from grader.checks.outcome import failed, passed, undecided
from grader.load.ratio import Decision, decide, next_look, ratio_measured, ratio_rule
from grader.probe.http import Target
from grader.result import Measurement, Outcome, Series

STREAMS, TOKENS, FASTER = 8, 16, 1.3
SENTENCES, SOONER = 22, 0.3


class Throughput(Check):
    """Slices of eight streams, alternating between the sides. The prompts of a pair are the same, and new each time."""

    id = "throughput"

    async def run(self, ctx: Context) -> Measurement:
        rng, rule = ctx.rng("throughput"), ratio_rule(FASTER, "at_least")
        logs: list[float] = []
        rates: tuple[list[float], list[float]] = ([], [])
        decision = decide(logs, FASTER, "at_least")
        while decision.outcome is None and (look := next_look(len(logs))) is not None:
            while len(logs) < look:
                bodies = [prompts.chat([prompts.user(prompts.task(rng))], TOKENS, True) for _ in range(STREAMS)]
                mine, my_s = await _slice(ctx.app, bodies)
                theirs, their_s = await _slice(baseline(ctx), bodies)
                if refused := next((a for a in mine if a.wrong), None):
                    measured = ratio_measured(Decision(None, 0.0, 0.0, math.inf, len(logs)))
                    return failed(
                        f"At {STREAMS} streams, a chat {refused.wrong}.",
                        measured,
                        rule,
                        FASTER_ADVICE,
                        refused.response,
                    )
                rates[0].append(_credited(mine, theirs) / my_s)
                rates[1].append(_credited(theirs, theirs) / their_s)
                logs.append(math.log(max(rates[0][-1], 1e-3) / rates[1][-1]))
            decision = decide(logs, FASTER, "at_least")
        return _say_throughput(decision, rates, mine[0])


async def _slice(target: Target, bodies: list[dict[str, Any]]) -> tuple[list[Answer], float]:
    """All streams at once: the answers, and the seconds until the last one ended."""
    began = time.perf_counter()
    answers = await asyncio.gather(*(ask(target, body) for body in bodies))
    return list(answers), time.perf_counter() - began


def _credited(mine: list[Answer], theirs: list[Answer]) -> float:
    """Tokens of the answers by the baseline's count, so that nobody is believed about his own."""
    return sum(
        b.usage["completion_tokens"] * min(1.0, len(a.text) / max(1, len(b.text)))
        for a, b in zip(mine, theirs, strict=True)
    )


def _say_throughput(decision: Decision, rates: tuple[list[float], list[float]], shown: Answer) -> Measurement:
    measured, rule = ratio_measured(decision), ratio_rule(FASTER, "at_least")
    mean = [statistics.mean(side) for side in rates]
    message = f"{mean[0]:.0f} tokens a second at {STREAMS} streams; the baseline made {mean[1]:.0f}."
    series = [
        Series(
            kind="histogram",
            title=f"Tokens per second at {STREAMS} streams",
            unit="tok/s",
            app=rates[0],
            baseline=rates[1],
            threshold=statistics.median(rates[1]) * FASTER,
            summary=message,
        )
    ]
    if decision.outcome is Outcome.PASSED:
        return passed(message, measured, rule, series=series)
    if decision.outcome is Outcome.FAILED:
        return failed(message, measured, rule, FASTER_ADVICE, shown.response, series=series)
    return undecided(message, measured, rule, series)


class PrefixTtft(Check):
    """Single requests behind one long system prompt, alternating between the sides, after two to get to know it."""

    id = "prefix-ttft"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("prefix")
        shared = prompts.system(prompts.policy(rng, SENTENCES))
        for _ in range(2):
            await ask(ctx.app, prompts.chat([shared, prompts.user(prompts.task(rng))], 2, True))
        logs: list[float] = []
        times: tuple[list[float], list[float]] = ([], [])
        size, tries = 0, 0
        decision = decide(logs, SOONER, "at_most")
        while decision.outcome is None and (look := next_look(len(logs))) is not None:
            while len(logs) < look and tries < 100:
                tries += 1
                body = prompts.chat([shared, prompts.user(prompts.task(rng))], 2, True)
                mine = await ask(ctx.app, body)
                if mine.wrong:
                    measured = ratio_measured(Decision(None, 0.0, 0.0, math.inf, len(logs)))
                    rule = ratio_rule(SOONER, "at_most")
                    return failed(f"A single chat {mine.wrong}.", measured, rule, SOONER_ADVICE, mine.response)
                theirs = (await trusted(ctx, [body]))[0]
                if math.isinf(theirs.ttft_s):
                    continue  # the model had nothing to say to this one
                size = theirs.usage["prompt_tokens"]
                times[0].append(min(mine.ttft_s, mine.response.total_s))
                times[1].append(theirs.ttft_s)
                logs.append(math.log(times[0][-1] / times[1][-1]))
            decision = decide(logs, SOONER, "at_most")
        return _say_ttft(decision, times, size, mine)


def _say_ttft(decision: Decision, times: tuple[list[float], list[float]], size: int, shown: Answer) -> Measurement:
    measured, rule = ratio_measured(decision), ratio_rule(SOONER, "at_most")
    middle = [statistics.median(side) * 1000 for side in times]
    message = f"First token of a {size}-token prompt after {middle[0]:.0f} ms; the baseline needed {middle[1]:.0f} ms."
    series = [
        Series(
            kind="histogram",
            title="Time to first token behind a shared system prompt",
            unit="s",
            app=times[0],
            baseline=times[1],
            threshold=middle[1] / 1000 * SOONER,
            summary=message,
        )
    ]
    if decision.outcome is Outcome.PASSED:
        return passed(message, measured, rule, series=series)
    if decision.outcome is Outcome.FAILED:
        return failed(message, measured, rule, SOONER_ADVICE, shown.response, series=series)
    return undecided(message, measured, rule, series)


FASTER_ADVICE = (
    "Put one token of every running sequence into each step of the model, and admit new requests between two steps. "
    "One request after the other is what the baseline does."
)
SOONER_ADVICE = (
    "Keep the cells of the system prompt in a sequence of their own and copy them into each new sequence; compute only "
    "what follows."
)
