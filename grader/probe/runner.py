"""Runs the rubric: criteria in order, each in the time that is left; behind a failed gate they are skipped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from grader.checks.base import Check
from grader.checks.outcome import undecided
from grader.probe.context import ProbeContext, make_check
from grader.probe.machine import is_crowded
from grader.probe.protocol import CheckBegun, CheckEnded, Start
from grader.probe.wire import Wire
from grader.result import CheckResult, Measured, Measurement, Outcome, Rule
from grader.spec import Criterion

LOG_SLICE_BYTES = 4096
REPEATS = 2
SAFETY = 1.5
"""A repetition begins only if the time left is this many times what the last one took: it must not run out of time."""
FAIR_SHARE = 0.25
"""Of the run's time: what a repetition leaves for the criteria behind it, and what one of them should have at least."""
LEFT_LITTLE = (
    "Look at the seconds of the criteria before this one. A service that is slow without failing uses up the run's "
    "time: grade it with --only on your own machine. If nothing there is unusual, grade again; this costs no attempt."
)
DYING_S = 0.4
"""How long the engine may take to notice that a process is gone."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's time. ``fair_s``: a criterion that begins with less can't blame the service for not getting done."""

    deadline: float
    fair_s: float

    def left(self) -> float:
        return self.deadline - time.perf_counter()


async def grade(start: Start, ctx: ProbeContext, wire: Wire) -> None:
    """Judge every criterion and report each as it is done."""
    clock = Clock(time.perf_counter() + start.deadline_s, start.deadline_s * FAIR_SHARE)
    # All checks are made first: a bad parameter is our fault and must show before anything is measured.
    plan = [(c, [make_check(use) for use in c.checks]) for c in ctx.spec.rubric.criteria]
    broken_gate = ""
    for criterion, checks in plan:
        if start.only and criterion.id not in start.only:
            continue
        if broken_gate:
            wire.send(CheckEnded(result=_skipped(criterion, broken_gate)))
            continue
        wire.send(CheckBegun(criterion=criterion.id))
        began = time.perf_counter()
        measurement, check_id = await _judge_again(criterion, checks, ctx, clock)
        if measurement.outcome is not Outcome.PASSED:
            measurement = await _explain(measurement, ctx)
        result = _result(criterion, check_id, measurement, time.perf_counter() - began)
        wire.send(CheckEnded(result=result))
        if criterion.gate and result.outcome is Outcome.FAILED:
            broken_gate = criterion.title


async def _judge_again(
    criterion: Criterion, checks: list[Check], ctx: ProbeContext, clock: Clock
) -> tuple[Measurement, str]:
    """Judge, and measure what stayed undecided again by itself, as long as the run's time is sure to suffice.

    A burst of noise lasts seconds; a second look at the same thing is often quiet. The rule's risk of a wrong verdict
    counts per measurement, so ``REPEATS`` of them stay well under one in a thousand. One request without an answer
    among hundreds can be the machine's doing as well: a comparison that it ended is measured once more.
    """
    began, doubted = time.perf_counter(), False
    kept_s = 0 if criterion is ctx.spec.rubric.criteria[-1] else clock.fair_s
    measurement, check_id = await _judge(criterion, checks, ctx, clock)
    for repeat in range(1, REPEATS + 1):
        now = time.perf_counter()
        took, began = now - began, now
        unanswered = measurement.unanswered and not doubted
        if not (unanswered or measurement.outcome is Outcome.INCONCLUSIVE) or clock.left() < SAFETY * took + kept_s:
            break
        doubted = doubted or unanswered
        why = "a request without an answer" if unanswered else "undecided"
        ctx.note(f"{criterion.title}: {why} after {took:.0f} s; measuring again ({repeat} of {REPEATS})")
        again, check_id = await _judge(criterion, checks, ctx, clock)
        if clock.left() <= 0:
            break  # cut short by our own repetition: what was seen before stands
        measurement = again.model_copy(update={"data": {**again.data, "measured_again": repeat}})
    return measurement, check_id


async def _judge(criterion: Criterion, checks: list[Check], ctx: ProbeContext, clock: Clock) -> tuple[Measurement, str]:
    """The first check that fails speaks for the criterion, else the first undecided one, else the last."""
    done: list[tuple[Measurement, str]] = []
    for check, use in zip(checks, criterion.checks, strict=True):
        left = clock.left()
        try:
            async with asyncio.timeout(max(left, 0.001)) as bound:
                measurement = await check.run(ctx)
        except TimeoutError:
            if not bound.expired():
                raise
            measurement = _out_of_time(ctx, left if left < clock.fair_s else None, await _crowded(ctx))
        done.append((measurement, use.check))
        if measurement.outcome is Outcome.FAILED:
            return done[-1]
    undecided = [pair for pair in done if pair[0].outcome is not Outcome.PASSED]
    if undecided:
        return undecided[0]
    last, check_id = done[-1]
    return last.model_copy(update={"message": " ".join(m.message for m, _ in done)}), check_id


async def _crowded(ctx: ProbeContext) -> bool:
    """Whether the machine lacks processors for whoever has the usual weight. The probe has it from now on."""
    await ctx.control("weigh_alike", "probe")
    return is_crowded()


def _out_of_time(ctx: ProbeContext, too_little_s: float | None, crowded: bool) -> Measurement:
    """The service's fault, unless this criterion began with too little time or the machine had none for us either."""
    limit = ctx.spec.limits.run_s
    message = f"The run's time limit of {limit} s was over before this could be measured."
    measured = Measured(text="not measured in time")
    rule = Rule(op="at_most", threshold=limit, unit="s", text=f"the whole run within {limit} s")
    if crowded:
        return undecided(f"{message} The machine was too busy to blame your service.", measured, rule)
    if too_little_s is not None:
        said = f"{message} The criteria before it had left only {max(0.0, too_little_s):.0f} s."
        return undecided(said, measured, rule, advice=LEFT_LITTLE)
    return Measurement(
        outcome=Outcome.FAILED,
        message=message,
        measured=measured,
        rule=rule,
        advice="Answer every request promptly, also the ones you refuse: requests that hang use up the run's time.",
    )


async def _explain(measurement: Measurement, ctx: ProbeContext) -> Measurement:
    """Add what only the engine side knows: whether the service died, and what it printed meanwhile."""
    if measurement.exchange is not None and measurement.exchange.error:
        await asyncio.sleep(DYING_S)
    message, exchange = measurement.message, measurement.exchange
    own = exchange is not None and exchange.party in (ctx.spec.service.name, *ctx.replicas)
    log = ""
    for name in ctx.replicas:
        state = await ctx.control("state", name)
        if not state["running"]:
            why = "it used more memory than its limit" if state["oom_killed"] else f"exit code {state['exit_code']}"
            whose = "Your service" if len(ctx.replicas) == 1 else f"Your replica {name}"
            message = f"{message} {whose} is no longer running ({why})."
        if own:
            logs = await ctx.control("logs", name, max_bytes=LOG_SLICE_BYTES // len(ctx.replicas))
            log += str(logs["text"])
    if exchange is not None and own:
        exchange = exchange.model_copy(update={"log": log[-LOG_SLICE_BYTES:]})
    return measurement.model_copy(update={"message": message, "exchange": exchange})


def _skipped(criterion: Criterion, gate: str) -> CheckResult:
    return CheckResult(
        criterion=criterion.id,
        check=criterion.checks[0].check,
        title=criterion.title,
        gate=criterion.gate,
        outcome=Outcome.SKIPPED,
        points=0,
        max_points=criterion.weight,
        message=f"Not measured: the gate “{gate}” failed before it.",
    )


def _result(criterion: Criterion, check_id: str, m: Measurement, seconds: float) -> CheckResult:
    return CheckResult(
        criterion=criterion.id,
        check=check_id,
        title=criterion.title,
        gate=criterion.gate,
        outcome=m.outcome,
        points=criterion.weight if m.outcome is Outcome.PASSED else 0,
        max_points=criterion.weight,
        message=m.message,
        measured=m.measured,
        rule=m.rule,
        advice=m.advice,
        exchange=m.exchange,
        series=m.series,
        data=m.data,
        seconds=round(seconds, 3),
    )
