"""One check in the time that is left, and whose fault it is when it does not come to an end.

The service's: it used up the time. The machine's: there was no processor, or a baseline or a
sidecar gave way. Ours: anything else that leaves a check. Only the first is a failure, and none of
them ends the other criteria.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from grader.checks.base import Check, PartyFailed, Unmeasurable
from grader.checks.outcome import undecided
from grader.http.client import TIMED_OUT
from grader.probe.context import ProbeContext
from grader.probe.machine import Waiting, is_crowded
from grader.probe.watchdog import Watchdog
from grader.result import Measured, Measurement, Outcome, Rule
from grader.wire.control import ControlError

LEFT_LITTLE = (
    "Look at the seconds of the criteria before this one. A service that is slow without failing "
    "uses up the run's "
    "time: grade it with --only on your own machine. If nothing there is unusual, grade again; "
    "this costs no attempt."
)
PROBE = "probe"
NOT_MEASURED = Measured(text="not measured")
TO_BE_MEASURED = Rule(op="all", text="a measurement that comes to an end")
OURS = (
    "This is our fault; it costs no attempt. The other criteria were measured. Grade again, and "
    "tell your instructor."
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's time.

    ``fair_s``: a criterion that begins with less can't blame the service for not getting done.
    """

    deadline: float
    fair_s: float

    def left(self) -> float:
        return self.deadline - time.perf_counter()


async def measure(
    check: Check, ctx: ProbeContext, clock: Clock, report: Callable[[str], None]
) -> Measurement:
    """Run one check; never raises. ``report`` gets the traceback of what is our fault."""
    left, waiting = clock.left(), Waiting()
    try:
        with Watchdog(clock.deadline):
            async with asyncio.timeout(max(left, 0.001)) as bound:
                measurement = await check.run(ctx)
    except Unmeasurable as nothing:
        measurement = nothing.measurement
    except (PartyFailed, ControlError) as error:
        return undecided(
            f"The lab's own part failed while this was measured: {error}.",
            NOT_MEASURED,
            TO_BE_MEASURED,
        )
    except Exception as error:
        if isinstance(error, TimeoutError) and bound.expired():
            return _out_of_time(
                ctx, left if left < clock.fair_s else None, await _crowded(ctx, waiting)
            )
        report(traceback.format_exc())
        return broken(error)
    if _machine_may_be_why(measurement) and await _crowded(ctx, waiting):
        message = f"{measurement.message} The machine was too busy to blame your service."
        return undecided(message, measurement.measured, measurement.rule, measurement.series)
    return measurement


def broken(error: Exception) -> Measurement:
    """The outcome of a criterion whose check failed in itself."""
    kind = type(error).__name__
    return Measurement(
        outcome=Outcome.INCONCLUSIVE,
        message=f"This criterion was not judged: its check failed in itself ({kind}).",
        measured=NOT_MEASURED,
        rule=TO_BE_MEASURED,
        advice=OURS,
        our_fault=True,
    )


def _machine_may_be_why(measurement: Measurement) -> bool:
    """Failed by a request without an answer, or by not being back in time: a starved machine brings
    that about, too.
    """
    if measurement.outcome is not Outcome.FAILED:
        return False
    exchange = measurement.exchange
    timed_out = exchange is not None and exchange.error.startswith(TIMED_OUT)
    return measurement.unanswered or measurement.availability or timed_out


async def _crowded(ctx: ProbeContext, waiting: Waiting) -> bool:
    """Whether the machine lacked processors, or lacks them now for whoever has the usual weight."""
    if waiting.was_crowded():
        return True
    try:
        await ctx.control("weigh_alike", PROBE)
        found = is_crowded()
        await ctx.control("weigh_as_before", PROBE)
    except ControlError:
        return is_crowded()
    return found


def _out_of_time(ctx: ProbeContext, too_little_s: float | None, crowded: bool) -> Measurement:
    """The service's fault, unless this criterion began with too little time or the machine had none
    for us either.
    """
    limit = ctx.spec.limits.run_s
    message = f"The run's time limit of {limit} s was over before this could be measured."
    measured = Measured(text="not measured in time")
    rule = Rule(op="at_most", threshold=limit, unit="s", text=f"the whole run within {limit} s")
    if crowded:
        return undecided(
            f"{message} The machine was too busy to blame your service.", measured, rule
        )
    if too_little_s is not None:
        said = f"{message} The criteria before it had left only {max(0.0, too_little_s):.0f} s."
        return undecided(said, measured, rule, advice=LEFT_LITTLE)
    return Measurement(
        outcome=Outcome.FAILED,
        message=message,
        measured=measured,
        rule=rule,
        advice=(
            "Answer every request promptly, also the ones you refuse: requests that hang use up "
            "the run's time."
        ),
    )
