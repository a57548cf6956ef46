"""``throughput_ratio``: closed-loop throughput as a ratio to the baseline's, in alternating
slices.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import Literal

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, loaded, send
from grader.checks.outcome import failed, passed, undecided
from grader.load.closed import ClosedLoop, Wrong
from grader.load.targeter import Request
from grader.result import Measurement, Outcome
from grader.stats.ratio import Decision, decide, next_look, ratio_measured, ratio_rule


class ThroughputParams(Params):
    """``clients`` send one request after the other for ``slice_s`` on one side, then on the
    other.
    """

    cases: list[Case] = []
    cases_from: str = ""
    threshold: float = Field(gt=0)
    op: Literal["at_most", "at_least"] = "at_least"
    clients: int = Field(8, ge=1, le=256)
    slice_s: float = Field(0.5, gt=0.05, le=10)
    budget_s: float = Field(60.0, gt=0, le=600)
    advice: str = "Serve several requests in one step of the model instead of one after the other."


class Rates:
    """Right answers per second of both sides, slice by slice.

    ``wrong``: the side, and what failed on it first.
    """

    def __init__(
        self, app: ClosedLoop, baseline: ClosedLoop, requests: list[Request], slice_s: float
    ) -> None:
        self.loops, self.requests, self.slice_s = (app, baseline), requests, slice_s
        self.rates: tuple[list[float], list[float]] = ([], [])
        self.sent = 0
        self.wrong: tuple[int, Wrong] | None = None

    async def pair(self, *, keep: bool = True) -> bool:
        """One slice on each side. False when a side gave a wrong answer."""
        got = []
        for side, loop in enumerate(self.loops):
            seen = await loop.slice(self._request, self.sent, self.slice_s)
            if seen.wrong is not None:
                self.wrong = (side, seen.wrong)
                return False
            got.append(seen)
        self.sent += max(seen.right for seen in got)
        if keep:
            for kept, seen in zip(self.rates, got, strict=True):
                kept.append(seen.rate)
        return True

    def _request(self, number: int) -> Request:
        return self.requests[number % len(self.requests)]

    def log_ratios(self) -> list[float]:
        return [math.log(mine / theirs) for mine, theirs in zip(*self.rates, strict=True)]


class ThroughputRatio(Check):
    id = "throughput_ratio"
    params_model = ThroughputParams
    params: ThroughputParams

    async def run(self, ctx: Context) -> Measurement:
        assert ctx.spec.baseline is not None, "throughput_ratio needs a lab with a baseline"
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        rule = ratio_rule(self.params.threshold, self.params.op)
        async with (
            ClosedLoop(ctx.app, self.params.clients) as app,
            ClosedLoop(ctx.target(ctx.spec.baseline.name), self.params.clients) as baseline,
        ):
            rates = Rates(app, baseline, [loaded(case) for case in cases], self.params.slice_s)
            decision = await self._decide(rates)
        if rates.wrong is not None:
            return await self._wrong(rates.wrong, cases, decision, ctx)
        if not rates.rates[0]:
            message = (
                f"The time of {self.params.budget_s:g} s was over before both sides had a slice "
                "that counts."
            )
            return undecided(message, ratio_measured(decision), rule)
        mine, theirs = (statistics.fmean(side) for side in rates.rates)
        message = (
            f"{mine:.1f} answers a second at {self.params.clients} clients; the baseline gave "
            f"{theirs:.1f}."
        )
        if decision.outcome is Outcome.PASSED:
            return passed(message, ratio_measured(decision), rule)
        if decision.outcome is Outcome.FAILED:
            return failed(message, ratio_measured(decision), rule, self.params.advice)
        return undecided(message, ratio_measured(decision), rule)

    async def _wrong(
        self, wrong: tuple[int, Wrong], cases: list[Case], decision: Decision, ctx: Context
    ) -> Measurement:
        """A wrong answer under load; the same request is sent once more, to have an exchange to
        show.
        """
        side, (number, said, unanswered) = wrong
        rule, measured = ratio_rule(self.params.threshold, self.params.op), ratio_measured(decision)
        if side == 1:
            return undecided(f"The baseline itself failed under load: {said}.", measured, rule)
        case = cases[number % len(cases)]
        message, shown = f"Under load, {case.name()}: {said}.", await send(ctx.app, case)
        return failed(message, measured, rule, self.params.advice, shown, unanswered=unanswered)

    async def _decide(self, rates: Rates) -> Decision:
        decision = Decision(None, 1.0, 0.0, math.inf, 0)
        until = time.perf_counter() + self.params.budget_s
        if not await rates.pair(keep=False):  # warm
            return decision
        while decision.outcome is None and (look := next_look(len(rates.rates[0]))) is not None:
            while len(rates.rates[0]) < look:
                if time.perf_counter() > until or not await rates.pair():
                    return decide(rates.log_ratios(), self.params.threshold, self.params.op)
            decision = decide(rates.log_ratios(), self.params.threshold, self.params.op)
        return decision
