"""Traces: whether the spans of a request hang together, from the probe's own context to the
model's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

from lab_checks.counters import not_scraped, unsound
from lab_checks.quiet import quiet
from lab_checks.world import SINK, Phase, Turn

from grader.lab_api import Check, Context, Measured, Measurement, Params, Rule, failed, passed

ASK_AT_ONCE = 500
HOPS = ("api", "generate")
SLACK_S = 1.0
"""Clocks of one machine; a span may end a little after the last byte."""
CONTEXT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
Row = list[Any]
"""[span, parent, service, name, start_s, end_s]"""


class TracesParams(Params):
    share: float = 0.98
    spare: int = 1
    """Of the few requests that fail so many traces may be incomplete: they would be lost in the
    share of all.
    """
    within_s: float = 8.0


class Traces(Check):
    """A trace counts when it can't have been made up: its id is the probe's, and the model was
    called by its span.
    """

    id = "traces"
    params_model = TracesParams
    params: TracesParams

    async def run(self, ctx: Context) -> Measurement:
        seen = await quiet(ctx)
        if seen is None:
            return await not_scraped(ctx, self._rule())
        called = called_by(seen.phase)
        turns = [turn for turn in seen.phase.traffic.turns if turn.outcome]
        deadline = time.time() + self.params.within_s
        while True:
            stored = await traces_of(ctx, [turn.trace for turn in turns])
            problems = [problem_of(turn, stored[turn.trace], called, seen.phase) for turn in turns]
            if not any(problems) or time.time() > deadline:
                return self._say(turns, problems, unsound(seen.phase))
            await asyncio.sleep(0.5)

    def _rule(self) -> Rule:
        share = self.params.share
        words = f"at least {share:.0%} of the traces complete, also those of requests that fail"
        return Rule(op="at_least", threshold=100 * share, unit="%", text=words)

    def _say(self, turns: Sequence[Turn], problems: Sequence[str], unsound_for: str) -> Measurement:
        """``problems``: what is missing in the trace of each turn, "" for nothing."""
        good, rule = problems.count(""), self._rule()
        text, measured = _counted(problems, "traces")
        failing = [
            problem
            for turn, problem in zip(turns, problems, strict=True)
            if turn.outcome == "error"
        ]
        lost = [problem for problem in failing if problem]
        if not turns or good < self.params.share * len(turns):
            first = next(
                (problem for problem in problems if problem), unsound_for or "there are no traces"
            )
            return failed(
                f"{text} are complete. The first that is not: {first}.", measured, rule, ADVICE
            )
        if len(lost) > self.params.spare:
            text, measured = _counted(failing, "traces of requests that failed")
            return failed(
                f"Only {text} are complete. The first that is not: {lost[0]}.",
                measured,
                rule,
                ADVICE,
            )
        return passed(
            f"{text} lead from the request through both hops to the model.", measured, rule
        )


def _counted(problems: Sequence[str], what: str) -> tuple[str, Measured]:
    good, n = problems.count(""), len(problems)
    text = f"{good} of {n} {what}"
    return text, Measured(value=100 * good / max(1, n), unit="%", n=n, text=text)


ADVICE = (
    "Take the traceparent of the request as the parent of your first span, hand your own on with "
    "the call to "
    "the second hop and with the call to the model, name the hops api and generate (service.name), "
    "and end "
    "and export every span, also those of requests that fail."
)


def called_by(phase: Phase) -> dict[str, set[str]]:
    """Trace id -> the spans that called the model, by the contexts that reached it."""
    found: dict[str, set[str]] = {}
    for row in phase.calls:
        if match := CONTEXT.fullmatch(row["traceparent"]):
            found.setdefault(match[1], set()).add(match[2])
    return found


async def traces_of(ctx: Context, ids: Sequence[str]) -> dict[str, list[Row]]:
    """The spans that arrived, by trace."""
    found: dict[str, list[Row]] = {}
    left = list(ids)
    while left:
        payload = {"command": "traces", "ids": left[:ASK_AT_ONCE]}
        reply = await ctx.control("command", SINK, payload=payload)
        found |= reply["traces"]
        left = [*reply["rest"], *left[ASK_AT_ONCE:]]
    return found


def problem_of(turn: Turn, spans: Sequence[Row], called: dict[str, set[str]], phase: Phase) -> str:
    """What is missing in one trace; empty when it is complete."""
    if not spans:
        return f"no span of trace {turn.trace} arrived"
    if turn.trace not in called:
        return f"the model got no traceparent of trace {turn.trace}"
    by_id = {row[0]: row for row in spans}
    for last in called[turn.trace]:
        chain, at = [], last  # type: ignore[var-annotated]
        while at in by_id and len(chain) <= len(by_id):
            chain.append(by_id[at])
            at = by_id[at][1]
        if last not in by_id:
            return f"span {last}, which called the model, did not arrive"
        if at != turn.parent:
            return (
                f"from span {last} parents lead to {at or 'a root of its own'}, not to the "
                f"request's {turn.parent}"
            )
        services = [row[2] for row in reversed(chain)]
        if [name for i, name in enumerate(services) if i == 0 or services[i - 1] != name] != list(
            HOPS
        ):
            return (
                f"the spans from the request to the model belong to {services}, expected "
                f"{' and then '.join(HOPS)}"
            )
        if not all(
            phase.began - SLACK_S <= row[4] <= row[5] <= phase.ended + SLACK_S for row in chain
        ):
            return f"the times of trace {turn.trace} lie outside of the time in which it happened"
    if ghost := next((row for row in spans if row[1] not in by_id and row[1] != turn.parent), None):
        return (
            f"span {ghost[0]} ({ghost[2]}) names the parent {ghost[1] or 'none'}, which did not "
            "arrive"
        )
    return ""
