"""Requests that end in no usual way: users who go away in the middle of an answer, and streams that
break.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from lab_checks.counters import not_scraped
from lab_checks.quiet import REQUESTS, counters
from lab_checks.traces import ADVICE as TRACE_ADVICE
from lab_checks.traces import called_by, problem_of, traces_of
from lab_checks.watch import Watch
from lab_checks.world import OUTCOMES, PATH, Model, Phase, Traffic, Turn, body_of, drive, headers_of

from grader.lab_api import (
    Check,
    Context,
    Measurement,
    Params,
    Rule,
    counted,
    every,
    failed,
    passed,
    step,
)

LEAVING, BREAKING = 4, 4
SLOW = {"kind": "slow", "factor": 15}
"""Then an answer takes two seconds, and whoever goes away at its first token does so in the
middle.
"""
NOTICED_S = 2.5
KEY = "departed"


@dataclass(frozen=True, slots=True)
class Departed:
    """What was sent, and the growth of the request counter by outcome meanwhile."""

    phase: Phase
    grown: dict[str, float]


def fates(leaving: int, breaking: int) -> list[dict[str, Any]]:
    """The model's first answers are slow, the next ones break off."""
    return [
        {**SLOW, "to_index": leaving},
        {"kind": "reset", "from_index": leaving, "to_index": leaving + breaking},
    ]


async def leave(ctx: Context, turn: Turn) -> None:
    """Ask, and hang up at the first piece of the answer."""
    body, headers = body_of(turn), headers_of(turn)
    await ctx.app.request(
        "POST", PATH, json=body, headers=headers, timeout_s=15, stop_when=lambda _: True, fresh=True
    )
    turn.outcome = "error"


async def departed(ctx: Context) -> Departed | None:
    """Driven once a run. None when Prometheus did not scrape."""
    if KEY not in ctx.shared:
        watch, model = Watch(ctx), Model(ctx)
        if not await watch.after_scrapes(1):
            return None
        before = (await counters(watch))[REQUESTS]
        traffic = Traffic(ctx.rng("departed"), 3)
        schedule = step(((float(BREAKING), 1.0),))
        await model.begin(fates(LEAVING, 0))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(leave(ctx, traffic.turn()) for _ in range(LEAVING)))
        gone = await model.rows()
        await asyncio.sleep(max(0.0, NOTICED_S - (asyncio.get_running_loop().time() - began)))
        broken = await drive(ctx, traffic, schedule, fates(0, BREAKING))
        if not await watch.after_scrapes(2):
            return None
        after = (await counters(watch))[REQUESTS]
        start = min((row["start"] for row in gone), default=broken.began)
        phase = Phase(
            traffic, broken.samples, min(start, broken.began), broken.ended, [*gone, *broken.calls]
        )
        ctx.shared[KEY] = Departed(
            phase, {name: after.get(name, 0.0) - before.get(name, 0.0) for name in OUTCOMES}
        )
    found: Departed = ctx.shared[KEY]
    return found


class Counted(Check):
    """Each of them is counted once, as an error."""

    id = "departed-counted"

    async def run(self, ctx: Context) -> Measurement:
        unit = "requests that ended early"
        seen = await departed(ctx)
        if seen is None:
            return await not_scraped(ctx, every(unit))
        wanted = len(seen.phase.traffic.turns)
        others = sum(grown for name, grown in seen.grown.items() if name != "error")
        measured = counted(max(0, min(wanted, round(seen.grown["error"]))), wanted, unit)
        if abs(seen.grown["error"] - wanted) <= 1 and others <= 1:
            return passed(
                "Users who went away and streams that broke were counted once.",
                measured,
                every(unit),
            )
        said = ", ".join(f"{name} by {grown:g}" for name, grown in seen.grown.items())
        message = (
            f"{LEAVING} users went away in the middle of an answer and {wanted - LEAVING} streams "
            "broke. error should "
            f"have grown by {wanted}; {said}."
        )
        return failed(message, measured, every(unit), COUNT_ADVICE)


class TracedParams(Params):
    within_s: float = 8.0
    spare: int = 1


class Traced(Check):
    """Each of them leaves a trace whose spans all ended."""

    id = "departed-traced"
    params_model = TracedParams
    params: TracedParams

    async def run(self, ctx: Context) -> Measurement:
        unit = "traces of requests that ended early"
        rule = Rule(op="at_least", unit=unit, text=f"all {unit} but {self.params.spare}")
        seen = await departed(ctx)
        if seen is None:
            return await not_scraped(ctx, rule)
        turns, phase = seen.phase.traffic.turns, seen.phase
        called, loop = called_by(phase), asyncio.get_running_loop()
        deadline = loop.time() + self.params.within_s
        while True:
            stored = await traces_of(ctx, [turn.trace for turn in turns])
            problems = [problem_of(turn, stored[turn.trace], called, phase) for turn in turns]
            lost = [problem for problem in problems if problem]
            if not lost or loop.time() > deadline:
                break
            await asyncio.sleep(0.5)
        measured = counted(len(turns) - len(lost), len(turns), unit)
        if len(lost) <= self.params.spare:
            return passed("Requests that ended early left whole traces.", measured, rule)
        message = (
            f"Of {len(turns)} requests that ended early {len(lost)} left no whole trace. The "
            f"first: {lost[0]}."
        )
        return failed(
            message,
            measured,
            rule,
            f"{TRACE_ADVICE} A finally block ends a span when the user goes away.",
        )


COUNT_ADVICE = (
    "Count a request where it ends, however it ends. In an async generator the finally block runs "
    "also when the user "
    "goes away; code behind the last yield does not."
)
