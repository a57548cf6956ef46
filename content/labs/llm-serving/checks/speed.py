"""Tokens as they are made, how fast eight users are served, and how soon a known system prompt
gives the first one.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from lab_checks import prompts
from lab_checks.chats import CUT, Answer, agrees, ask, baseline, odd_place, trusted

from grader.lab_api import (
    Case,
    Check,
    Context,
    Decision,
    Measurement,
    Outcome,
    Series,
    Stream,
    Streaming,
    Target,
    decide,
    failed,
    is_unanswered,
    next_look,
    passed,
    ratio_measured,
    ratio_rule,
    seconds_histogram,
    undecided,
)

STREAMS, TOKENS, FASTER = 8, 12, 1.25
BUDGET_S = 160.0  # no new look begins after this; the first takes 30 s on a quiet machine
SENTENCES, SOONER = 22, 0.3
MOST_PAIRS = 80  # the last look needs 60; to some requests the model has nothing to say
OTHER_STREAMS = 1  # of 7
OTHER_TEXT = 0.1  # share of texts that may differ; an early first token that is wrong is none


class TokenByToken(Streaming):
    """Each answer stands beside the baseline's: of its text, and of the time that the model takes
    for it.
    """

    id = "token-by-token"
    needed_by = "the baseline"
    others = 0
    """Texts so far that are not the baseline's."""

    async def run(self, ctx: Context) -> Measurement:
        self.others = 0
        return await super().run(ctx)

    async def needed_s(self, ctx: Context, case: Case, stream: Stream) -> float | str:
        theirs = (await trusted(ctx, [case.json_body]))[0]
        parted = odd_place(stream.text, theirs)
        self.others += parted is not None
        if parted == len(stream.text.rstrip(CUT)):
            return f"the text ends after {parted} characters, the baseline's goes on"
        if parted == len(theirs.text.rstrip(CUT)):
            return f"the text goes on after {parted} characters, where the baseline's ends"
        if self.others > OTHER_STREAMS:
            return (
                f"this is the {self.others}. text that is not the baseline's; it begins "
                f"{stream.text[:40]!r}"
            )
        return theirs.response.total_s


class Throughput(Check):
    """Slices of eight streams, alternating between the sides.

    The prompts of a pair are the same, and new each time.
    """

    id = "throughput"

    async def run(self, ctx: Context) -> Measurement:
        rng, rule = ctx.rng("throughput"), ratio_rule(FASTER, "at_least")
        logs: list[float] = []
        rates: tuple[list[float], list[float]] = ([], [])
        decision, until = decide(logs, FASTER, "at_least"), time.perf_counter() + BUDGET_S
        while (
            decision.outcome is None
            and time.perf_counter() < until
            and (look := next_look(len(logs))) is not None
        ):
            while len(logs) < look:
                bodies = [
                    prompts.chat([prompts.user(prompts.short(rng))], TOKENS, True)
                    for _ in range(STREAMS)
                ]
                mine, my_s = await _slice(ctx.app, bodies)
                theirs, their_s = await _slice(baseline(ctx), bodies)
                if refused := next((a for a in mine if a.wrong), None):
                    measured = ratio_measured(decide(logs, FASTER, "at_least"))
                    return failed(
                        f"At {STREAMS} streams, a chat {refused.wrong}.",
                        measured,
                        rule,
                        FASTER_ADVICE,
                        refused.response,
                        unanswered=is_unanswered(refused.response.status),
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
    """Tokens by the baseline's count, for texts that agree with it: nobody is believed about his
    own.
    """
    pairs = zip(mine, theirs, strict=True)
    return float(sum(b.usage["completion_tokens"] for a, b in pairs if agrees(a, b)))


def _say_throughput(
    decision: Decision, rates: tuple[list[float], list[float]], shown: Answer
) -> Measurement:
    measured, rule = ratio_measured(decision), ratio_rule(FASTER, "at_least")
    mean = [statistics.mean(side) for side in rates]
    message = (
        f"{mean[0]:.0f} tokens a second at {STREAMS} streams; the baseline made {mean[1]:.0f}."
    )
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


@dataclass
class Firsts:
    """Times to the first token in seconds, a pair for each request that the model had something to
    say to.
    """

    mine: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    odd: list[Answer] = field(default_factory=list)
    size: int = 0

    def logs(self) -> list[float]:
        return [math.log(a / b) for a, b in zip(self.mine, self.theirs, strict=True)]

    def add(self, mine: Answer, theirs: Answer) -> None:
        if math.isinf(theirs.ttft_s):
            return
        self.size = theirs.usage["prompt_tokens"]
        if not agrees(mine, theirs):
            self.odd.append(mine)
        self.mine.append(min(mine.ttft_s, mine.response.total_s))
        self.theirs.append(theirs.ttft_s)


class PrefixTtft(Check):
    """Single requests behind one long system prompt, alternating between the sides, after two to
    get to know it.
    """

    id = "prefix-ttft"

    async def run(self, ctx: Context) -> Measurement:
        rng, firsts = ctx.rng("prefix"), Firsts()
        shared = prompts.system(prompts.policy(rng, SENTENCES))
        for _ in range(2):
            await ask(ctx.app, prompts.chat([shared, prompts.user(prompts.task(rng))], 2, True))
        decision = decide([], SOONER, "at_most")
        for _ in range(MOST_PAIRS):
            body = prompts.chat([shared, prompts.user(prompts.task(rng))], 2, True)
            mine = await ask(ctx.app, body)
            if mine.wrong:
                return self._failed(f"A single chat {mine.wrong}.", decision, SOONER_ADVICE, mine)
            firsts.add(mine, (await trusted(ctx, [body]))[0])
            decision = decide(firsts.logs(), SOONER, "at_most")
            if decision.outcome is not None:
                break
        if len(firsts.odd) > OTHER_TEXT * len(firsts.mine):
            share = f"{len(firsts.odd)} of {len(firsts.mine)}"
            message = f"Behind a shared system prompt {share} texts are not the baseline's."
            return self._failed(message, decision, SAME_ADVICE, firsts.odd[0])
        return _say_ttft(decision, firsts, mine)

    @staticmethod
    def _failed(message: str, decision: Decision, advice: str, shown: Answer) -> Measurement:
        unanswered = bool(shown.wrong) and is_unanswered(shown.response.status)
        rule = ratio_rule(SOONER, "at_most")
        return failed(
            message, ratio_measured(decision), rule, advice, shown.response, unanswered=unanswered
        )


def _say_ttft(decision: Decision, firsts: Firsts, shown: Answer) -> Measurement:
    measured, rule = ratio_measured(decision), ratio_rule(SOONER, "at_most")
    middle = [statistics.median(side or [0.0]) * 1000 for side in (firsts.mine, firsts.theirs)]
    said = f"after {middle[0]:.0f} ms; the baseline needed {middle[1]:.0f} ms"
    message = f"First token of a {firsts.size}-token prompt {said}."
    series = [
        seconds_histogram(
            "Time to first token behind a shared system prompt",
            firsts.mine,
            firsts.theirs,
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
    "Put one token of every running sequence into each step of the model, and admit new requests "
    "between two steps. "
    "One request after the other is what the baseline does."
)
SOONER_ADVICE = (
    "Keep the cells of the system prompt in a sequence of their own and copy them into each new "
    "sequence; compute only "
    "what follows."
)
SAME_ADVICE = (
    "A copied prefix must give the text that a computed one gives. Copy only the cells of tokens "
    "that are equal, go on "
    "at the next position, and send text only when the model has chosen it."
)
