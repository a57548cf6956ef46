"""Runs the rubric: criteria in order, each in the time that is left; behind a failed gate they are
skipped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from grader.checks.base import Check
from grader.lab import Criterion
from grader.probe.context import ProbeContext, make_check
from grader.probe.judging import Clock, measure
from grader.probe.strangers import Strangers
from grader.probe.wire import Wire
from grader.result import CheckResult, Measurement, Outcome
from grader.wire.control import ControlError
from grader.wire.probe import CheckBegun, CheckBroke, CheckEnded, Start

LOG_SLICE_BYTES = 4096
MAX_TRACE = 8000
MAX_LINE = 900_000
"""Bytes of one result; the channel ends a party that sends a line of more than a mebibyte."""
REPEATS = 2
SAFETY = 1.5
"""A repetition begins only if the time left is this many times what the last one took: it must not
run out of time.
"""
FAIR_SHARE = 0.25
"""Of the run's time: what a repetition leaves for the criteria behind it, and what one of them
should have at least.
"""
OURS_ALONE = (
    "The baseline is not yours to call: it answers nobody without its key. Take the calls to it "
    "out."
)
DYING_S = 0.4
"""How long the engine may take to notice that a process is gone."""


async def grade(
    start: Start, ctx: ProbeContext, wire: Wire, strangers: Strangers | None = None
) -> None:
    """Judge every criterion and report each as it is done.

    ``strangers`` watches the baseline, where there is one.
    """
    clock = Clock(time.perf_counter() + start.deadline_s, start.deadline_s * FAIR_SHARE)
    # All checks are made first: a bad parameter is our fault and must show before anything is
    # measured.
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
        report = partial(_report, wire, criterion.id)
        before = strangers.mark() if strangers else (0, 0)
        measurement, check_id = await _judge_again(criterion, checks, ctx, clock, report)
        if (
            strangers
            and measurement.outcome is not Outcome.FAILED
            and strangers.pressed_since(before)
        ):
            measurement = _touched(measurement, strangers)
        if measurement.outcome is not Outcome.PASSED:
            measurement = await _explain(measurement, ctx)
        result = _result(criterion, check_id, measurement, time.perf_counter() - began)
        wire.send(_line(result))
        if criterion.gate and result.outcome is Outcome.FAILED:
            broken_gate = criterion.title


def _touched(measurement: Measurement, strangers: Strangers) -> Measurement:
    """A comparison with a baseline that the learner's service spoke to says nothing for it."""
    message = (
        f"{measurement.message} But your service had connections to the baseline meanwhile, "
        f"{strangers.most} at once."
    )
    return measurement.model_copy(
        update={
            "outcome": Outcome.FAILED,
            "message": message.strip(),
            "advice": OURS_ALONE,
            "unanswered": False,
        }
    )


async def _judge_again(
    criterion: Criterion,
    checks: list[Check],
    ctx: ProbeContext,
    clock: Clock,
    report: Callable[[str], None],
) -> tuple[Measurement, str]:
    """Judge, and measure what stayed undecided again by itself, as long as the run's time is sure
    to suffice.

    A burst of noise lasts seconds; a second look at the same thing is often quiet. The rule's risk
    of a wrong verdict counts per measurement, so ``REPEATS`` of them stay well under one in a
    thousand. One request without an answer among hundreds can be the machine's doing as well: a
    comparison that it ended is measured once more.
    """
    began, doubted = time.perf_counter(), False
    kept_s = 0 if criterion is ctx.spec.rubric.criteria[-1] else clock.fair_s
    measurement, check_id = await _judge(criterion, checks, ctx, clock, report)
    for repeat in range(1, REPEATS + 1):
        now = time.perf_counter()
        took, began = now - began, now
        unanswered = measurement.unanswered and not doubted
        if not (unanswered or measurement.outcome is Outcome.INCONCLUSIVE) or measurement.our_fault:
            break  # decided, or a defect of ours that measuring again would only show again
        if clock.left() < SAFETY * took + kept_s:
            break
        doubted = doubted or unanswered
        why = "a request without an answer" if unanswered else "undecided"
        ctx.note(
            f"{criterion.title}: {why} after {took:.0f} s; measuring again ({repeat} of {REPEATS})"
        )
        again, check_id = await _judge(criterion, checks, ctx, clock, report)
        if clock.left() <= 0:
            break  # cut short by our own repetition: what was seen before stands
        measurement = again.model_copy(update={"data": {**again.data, "measured_again": repeat}})
    return measurement, check_id


async def _judge(
    criterion: Criterion,
    checks: list[Check],
    ctx: ProbeContext,
    clock: Clock,
    report: Callable[[str], None],
) -> tuple[Measurement, str]:
    """The first check that fails speaks for the criterion, else the first undecided one, else the
    last.
    """
    done: list[tuple[Measurement, str]] = []
    for check, use in zip(checks, criterion.checks, strict=True):
        measurement = await measure(check, ctx, clock, report)
        done.append((measurement, use.check))
        if measurement.outcome is Outcome.FAILED:
            return done[-1]
    undecided = [pair for pair in done if pair[0].outcome is not Outcome.PASSED]
    if undecided:
        return undecided[0]
    return _together([m for m, _ in done]), done[-1][1]


def _together(passed: Sequence[Measurement]) -> Measurement:
    """What several checks of a criterion found, as one: every figure is told, the last one's is the
    value.
    """
    last = passed[-1]
    if len(passed) == 1:
        return last

    def told(texts: Iterable[str]) -> str:
        return "; ".join(dict.fromkeys(text for text in texts if text))

    return last.model_copy(
        update={
            "message": " ".join(m.message for m in passed),
            "measured": last.measured.model_copy(
                update={"text": told(m.measured.text for m in passed)}
            ),
            "rule": last.rule.model_copy(update={"text": told(m.rule.text for m in passed)}),
            "series": [series for m in passed for series in m.series],
            "data": {key: value for m in passed for key, value in m.data.items()},
        }
    )


def _line(result: CheckResult) -> CheckEnded:
    """The result as a line that the channel takes; a result that is too long loses its plots and
    data.
    """
    line = CheckEnded(result=result)
    if len(line.model_dump_json()) <= MAX_LINE:
        return line
    said = {"left_out": "the plots and the data of this result were longer than a line may be"}
    return CheckEnded(result=result.model_copy(update={"series": [], "data": said}))


def _report(wire: Wire, criterion: str, trace: str) -> None:
    """Send the traceback of a check that failed in itself: for whoever mends it, and into the run's
    own evidence.
    """
    wire.send(CheckBroke(criterion=criterion, trace=trace[-MAX_TRACE:]))


async def _explain(measurement: Measurement, ctx: ProbeContext) -> Measurement:
    """Add what only the engine side knows: whether the service died, and what it printed
    meanwhile.
    """
    if measurement.exchange is not None and measurement.exchange.error:
        await asyncio.sleep(DYING_S)
    message, exchange = measurement.message, measurement.exchange
    own = exchange is not None and exchange.party in (ctx.spec.service.name, *ctx.replicas)
    log = ""
    try:
        for name in ctx.replicas:
            message += await _death(ctx, name)
            if own:
                logs = await ctx.control(
                    "logs", name, max_bytes=LOG_SLICE_BYTES // len(ctx.replicas)
                )
                log += str(logs["text"])
    except ControlError as error:
        ctx.note(f"The engine could not say more about the service: {error}")
    if exchange is not None and own:
        exchange = exchange.model_copy(update={"log": log[-LOG_SLICE_BYTES:]})
    return measurement.model_copy(update={"message": message, "exchange": exchange})


async def _death(ctx: ProbeContext, name: str) -> str:
    """What there is to say about a copy that does not run any more."""
    state = await ctx.control("state", name)
    if state["running"]:
        return ""
    why = (
        "it used more memory than its limit"
        if state["oom_killed"]
        else f"exit code {state['exit_code']}"
    )
    whose = "Your service" if len(ctx.replicas) == 1 else f"Your replica {name}"
    return f" {whose} is no longer running ({why})."


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
        our_fault=m.our_fault,
        seconds=round(seconds, 3),
    )
