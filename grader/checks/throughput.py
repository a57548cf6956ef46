"""``throughput_ratio``: closed-loop throughput as a ratio to the baseline's, in alternating slices."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Literal

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import failed, passed, undecided
from grader.load.ratio import Decision, decide, next_look, ratio_measured, ratio_rule
from grader.probe.http import Response, Target
from grader.result import Measurement, Outcome


class ThroughputParams(Params):
    """``clients`` send one request after the other for ``slice_s`` on one side, then on the other."""

    cases: list[Case] = []
    cases_from: str = ""
    threshold: float = Field(gt=0)
    op: Literal["at_most", "at_least"] = "at_least"
    clients: int = Field(8, ge=1, le=256)
    slice_s: float = Field(0.5, gt=0.05, le=10)
    advice: str = "Serve several requests in one step of the model instead of one after the other."


class ThroughputRatio(Check):
    id = "throughput_ratio"
    params_model = ThroughputParams
    params: ThroughputParams

    async def run(self, ctx: Context) -> Measurement:
        assert ctx.spec.baseline is not None, "throughput_ratio needs a lab with a baseline"
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        app, baseline = ctx.app, ctx.target(ctx.spec.baseline.name)
        rule = ratio_rule(self.params.threshold, self.params.op)
        await self._slice(app, cases)
        await self._slice(baseline, cases)
        logs: list[float] = []
        rates: tuple[list[float], list[float]] = ([], [])
        while (look := next_look(len(logs))) is not None:
            while len(logs) < look:
                mine, wrong = await self._slice(app, cases)
                if wrong is not None:
                    case, response, said = wrong
                    measured = ratio_measured(Decision(None, 0.0, 0.0, math.inf, len(logs)))
                    return failed(f"Under load, {case.name()}: {said}.", measured, rule, self.params.advice, response)
                theirs, broken = await self._slice(baseline, cases)
                if broken is not None:
                    raise RuntimeError(f"the baseline failed under load: {broken[2]}")
                rates[0].append(mine)
                rates[1].append(theirs)
                logs.append(math.log(mine / theirs))
            decision = decide(logs, self.params.threshold, self.params.op)
            if decision.outcome is not None:
                break
        mean = [sum(side) / len(side) for side in rates]
        message = f"{mean[0]:.1f} answers a second at {self.params.clients} clients; the baseline gave {mean[1]:.1f}."
        if decision.outcome is Outcome.PASSED:
            return passed(message, ratio_measured(decision), rule)
        if decision.outcome is Outcome.FAILED:
            return failed(message, ratio_measured(decision), rule, self.params.advice)
        return undecided(message, ratio_measured(decision), rule)

    async def _slice(self, target: Target, cases: list[Case]) -> tuple[float, tuple[Case, Response, str] | None]:
        """Answers a second of one slice, counted until the last answer, and the first wrong one."""
        began = time.perf_counter()
        until = began + self.params.slice_s
        wrong: list[tuple[Case, Response, str]] = []

        async def client(number: int) -> int:
            done = 0
            while time.perf_counter() < until and not wrong:
                case = cases[(number + done * self.params.clients) % len(cases)]
                response = await send(target, case)
                if said := problem(case, response):
                    wrong.append((case, response, said))
                done += 1
            return done

        done = sum(await asyncio.gather(*(client(n) for n in range(self.params.clients))))
        return done / (time.perf_counter() - began), (wrong[0] if wrong else None)
