"""``latency_ratio``: the service's latency as a ratio to the baseline's, requests alternating in
one open loop.
"""

from __future__ import annotations

import math
import statistics
from typing import Literal

from pydantic import Field

from grader.checks.base import Check, Context, Params, PartyFailed
from grader.checks.cases import Case, collect, loaded, problem, send
from grader.checks.outcome import failed, passed, undecided
from grader.checks.plots import seconds_histogram
from grader.http.client import Target
from grader.load.calibrate import calibrate
from grader.load.compare import Comparison, Plan, Statistic, Value, compare
from grader.result import Measurement, Outcome
from grader.stats.ratio import decide, ratio_measured, ratio_rule

MOST_RATE = 400.0
NOTHING = decide((), 1.0, "at_most")


class LatencyParams(Params):
    """How to measure.

    ``rate_per_s`` counts both sides together; a window holds ``per_window`` requests of each side.

    Without ``rate_per_s`` the rate is chosen so that the baseline is busy for ``utilisation`` of
    its time, by what a request costs it right now: an absolute rate means something else on every
    machine.
    """

    cases: list[Case] = []
    cases_from: str = ""
    threshold: float = Field(gt=0)
    op: Literal["at_most", "at_least"] = "at_most"
    statistic: Statistic = "p50"
    value: Value = Field("latency", description="'ttft': until the first token of a stream")
    rate_per_s: float | None = Field(None, gt=0, le=2000)
    utilisation: float = Field(0.2, gt=0, le=0.8)
    per_window: int = Field(20, ge=2, le=1000)
    warm_s: float = Field(2.0, ge=0, le=30)
    budget_s: float = Field(45.0, gt=0, le=600)
    advice: str = "Profile one request: the time from send to the last byte is what counts."


class LatencyRatio(Check):
    id = "latency_ratio"
    params_model = LatencyParams
    params: LatencyParams

    async def run(self, ctx: Context) -> Measurement:
        assert ctx.spec.baseline is not None, "latency_ratio needs a lab with a baseline"
        p = self.params
        cases = collect(ctx, p.cases, p.cases_from)
        sides = (ctx.app, ctx.target(ctx.spec.baseline.name))
        plan = Plan(
            threshold=p.threshold,
            op=p.op,
            rate=p.rate_per_s or 2 * p.utilisation / await _cost_s(sides[1], cases),
            per_window=p.per_window,
            statistic=p.statistic,
            value=p.value,
            warm_s=p.warm_s,
            budget_s=p.budget_s,
        )
        requests = [loaded(case) for case in cases]
        if said := await _beyond_us(plan.rate):
            return undecided(said, ratio_measured(NOTHING), ratio_rule(p.threshold, p.op))
        seen = await compare(sides, lambda pair: requests[pair % len(requests)], plan)
        if seen.wrong is not None:
            return await self._wrong(seen, cases, ctx.app)
        return self._say(seen)

    async def _wrong(self, seen: Comparison, cases: list[Case], app: Target) -> Measurement:
        """A wrong answer under load; the same request is sent once more, to have an exchange to
        show.
        """
        assert seen.wrong is not None
        side, pair, said, unanswered = seen.wrong
        case = cases[pair % len(cases)]
        rule = ratio_rule(self.params.threshold, self.params.op)
        if side == 1:
            return undecided(
                f"The baseline itself failed under load: {said}.",
                ratio_measured(seen.decision),
                rule,
            )
        shown = await send(app, case)
        message = f"Under load, {case.name()}: {said}."
        return failed(
            message,
            ratio_measured(seen.decision),
            rule,
            self.params.advice,
            shown,
            unanswered=unanswered,
        )

    def _say(self, seen: Comparison) -> Measurement:
        measured = ratio_measured(seen.decision)
        rule = ratio_rule(self.params.threshold, self.params.op)
        if seen.client_failed or not seen.log_ratios:
            void = f"{seen.void} of {seen.windows} windows are void"
            return undecided(
                f"{void}: the load generator could not keep to its schedule.", measured, rule
            )
        middle = [statistics.median(side) for side in seen.values]
        what = "first token" if self.params.value == "ttft" else "answer"
        message = (
            f"The median {what} took {middle[0] * 1000:.1f} ms, the baseline's "
            f"{middle[1] * 1000:.1f} ms."
        )
        series = [
            seconds_histogram(
                "Time to first token" if self.params.value == "ttft" else "Latency",
                *seen.values,
                threshold=middle[1] * self.params.threshold,
                summary=message,
            )
        ]
        if seen.decision.outcome is Outcome.PASSED:
            return passed(message, measured, rule, series=series)
        if seen.decision.outcome is Outcome.FAILED:
            return failed(message, measured, rule, self.params.advice, series=series)
        return undecided(message, measured, rule, series)


async def _beyond_us(rate: float) -> str:
    """Why the load generator itself can't be trusted with this rate, here and now; empty when it
    can.

    Its lag is watched during every measurement anyway. A high absolute rate is tried on an echo
    target beforehand.
    """
    if rate < MOST_RATE:
        return ""
    found = await calibrate((rate, 2 * rate))
    said = f"The load generator can't keep {rate:g} requests a second on this machine now."
    return "" if found.allows(rate) else said


async def _cost_s(baseline: Target, cases: list[Case]) -> float:
    """Median seconds that one request takes the baseline when it has nothing else to do."""
    times = []
    for number in range(12):
        case = cases[number % len(cases)]
        response = await send(baseline, case)
        if said := problem(case, response):
            raise PartyFailed(f"the baseline {said}")
        times.append(response.total_s)
    return max(statistics.median(times[2:]), 2 / MOST_RATE if math.isfinite(times[-1]) else 1.0)
