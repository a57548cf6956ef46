"""Copies that come and go under load:

``sigterm_under_load`` for one service, ``rolling_replacement`` for replicas.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, loaded
from grader.checks.outcome import failed, passed
from grader.checks.stopping import RULE, Stop
from grader.checks.waiting import ready_again
from grader.faults.inject import Faults
from grader.faults.recovery import recovery_s, share_right, timeline
from grader.load.background import Background
from grader.load.metrics import Samples
from grader.load.targeter import Request
from grader.result import Measured, Measurement, Rule, Series

LAST_S = 0.05
"""Requests due in the last moment before a signal may arrive behind it."""


class ReplacementParams(Params):
    """The load while it happens.

    ``calm_s``: load before the first signal, and after the last copy is back.
    """

    cases: list[Case] = []
    cases_from: str = ""
    rate_per_s: float = Field(20, gt=0, le=500)
    calm_s: float = Field(1.5, gt=0, le=30)
    timeout_s: float = Field(10, gt=0, le=60)


class RollingParams(ReplacementParams):
    """``settle_s``: how long a copy that is ready again is given to be found by the balancer."""

    share: float = Field(0.99, gt=0, le=1, description="of all requests answered rightly")
    settle_s: float = Field(1.5, ge=0, le=30)


async def _stopped(faults: Faults, name: str, grace_s: float) -> Stop:
    """SIGTERM, the end, and a new start."""
    async with faults.stopped(name, grace_s, f"SIGTERM for {name}") as state:
        return Stop.of(name, state)


def _first_wrong(samples: Samples, until_s: float) -> str:
    """The error of the first request due before ``until_s`` that was not answered rightly."""
    pairs = zip(samples.due, samples.error, strict=True)
    return next((error for due, error in pairs if error and due < until_s), "")


class SigtermUnderLoad(Check):
    """All that was asked before SIGTERM is answered, the exit is clean, and a new start takes the
    load again.
    """

    id = "sigterm_under_load"
    params_model = ReplacementParams
    params: ReplacementParams

    async def run(self, ctx: Context) -> Measurement:
        p, grace = self.params, float(ctx.spec.limits.stop_grace_s)
        requests = [loaded(case) for case in collect(ctx, p.cases, p.cases_from)]
        name = ctx.replicas[0]
        load = Background(
            ctx.target(name),
            p.rate_per_s,
            lambda i: requests[i % len(requests)],
            timeout_s=p.timeout_s,
        )
        async with load:
            faults = Faults(ctx, load.now)
            await asyncio.sleep(p.calm_s)
            asked_s = load.now()
            stop = await _stopped(faults, name, grace)
            again = await ready_again(ctx)
            back_s = load.now()
            await asyncio.sleep(p.calm_s)
        return self._judge(
            load.samples,
            stop,
            asked_s - LAST_S,
            back_s if again is not None else None,
            faults,
            grace,
        )

    @staticmethod
    def _judge(
        samples: Samples,
        stop: Stop,
        asked_s: float,
        back_s: float | None,
        faults: Faults,
        grace_s: float,
    ) -> Measurement:
        share, n = share_right(samples, 0.0, asked_s)
        rule = Rule(
            op="all",
            unit="requests",
            text=f"all requests before SIGTERM; {RULE} within {grace_s:g} s",
        )
        text = (
            f"{share:.1%} of {n} requests before SIGTERM, exit code {stop.exit_code} after "
            f"{stop.seconds:.1f} s"
        )
        measured = Measured(value=round(share, 4), unit="share", n=n, text=text)
        more: dict[str, Any] = {"series": timeline(samples, faults.marks), "availability": True}
        if share < 1:
            said = _first_wrong(samples, asked_s)
            return failed(
                f"A request from before SIGTERM got no right answer: {said}.",
                measured,
                rule,
                FINISH,
                **more,
            )
        if wrong := stop.wrong(grace_s):
            more["availability"] = stop.too_slow(grace_s)
            return failed(f"Under load, {wrong}.", measured, rule, FINISH, **more)
        took = recovery_s(samples, back_s) if back_s is not None else None
        if took is None:
            return failed(
                "After a new start the load was not answered again.", measured, rule, START, **more
            )
        message = f"Nothing was lost; right answers again {took:.1f} s after the start."
        return passed(message, measured, rule, series=more["series"])


class RollingReplacement(Check):
    """One copy after the other is stopped and started anew while load goes on."""

    id = "rolling_replacement"
    params_model = RollingParams
    params: RollingParams

    async def run(self, ctx: Context) -> Measurement:
        assert len(ctx.replicas) > 1, "rolling_replacement needs a lab with replicas"
        p, grace = self.params, float(ctx.spec.limits.stop_grace_s)
        requests = await self.requests(ctx)
        stops: list[Stop] = []
        lost = ""
        async with Background(
            ctx.app, p.rate_per_s, lambda i: requests[i % len(requests)], timeout_s=p.timeout_s
        ) as load:
            faults = Faults(ctx, load.now)
            await asyncio.sleep(p.calm_s)
            for name in ctx.replicas:
                stops.append(await _stopped(faults, name, grace))
                if await ready_again(ctx, target=ctx.target(name)) is None:
                    lost = name
                    break
                await asyncio.sleep(p.settle_s)
            await asyncio.sleep(p.calm_s)
        return self._judge(load.samples, stops, lost, timeline(load.samples, faults.marks), grace)

    async def requests(self, ctx: Context) -> list[Request]:
        """What is sent, in turn. A lab whose requests need more than cases overrides this."""
        return [loaded(case) for case in collect(ctx, self.params.cases, self.params.cases_from)]

    def _judge(
        self, samples: Samples, stops: list[Stop], lost: str, series: list[Series], grace_s: float
    ) -> Measurement:
        wanted = self.params.share
        right = len(samples) - sum(bool(error) for error in samples.error)
        share = right / max(1, len(samples))
        rule = Rule(
            op="at_least",
            threshold=wanted,
            unit="share",
            text=f"at least {wanted:g} of the requests answered",
        )
        text = f"{right} of {len(samples)} requests while {len(stops)} copies were replaced"
        measured = Measured(value=round(share, 4), unit="share", n=len(samples), text=text)
        more: dict[str, Any] = {"series": series, "availability": True}
        if lost:
            return failed(
                f"{lost} was not ready again after its replacement.", measured, rule, START, **more
            )
        if share < wanted:
            said = _first_wrong(samples, float("inf"))
            message = (
                f"While copies were replaced one by one, {len(samples) - right} requests failed, "
                f"e.g. {said}."
            )
            return failed(message, measured, rule, DRAIN, **more)
        if wrong := next((stop for stop in stops if stop.wrong(grace_s)), None):
            more["availability"] = wrong.too_slow(grace_s)
            return failed(
                f"During the replacement {wrong.wrong(grace_s)}.", measured, rule, FINISH, **more
            )
        return passed(
            "Every copy was replaced and the users did not notice.", measured, rule, series=series
        )


FINISH = (
    "On SIGTERM stop accepting, answer what is in flight, then exit. Let the server be process 1's "
    "direct child: use "
    "the exec form of CMD, or exec in the shell."
)
START = (
    "Start without help: whatever the service needs again after a stop, it has to make or fetch "
    "itself."
)
DRAIN = (
    "On SIGTERM let readiness say 503 and finish what is in flight before the process ends; keep "
    "no state that only "
    "one copy has. The balancer sends nothing new to a copy that closes its port."
)
