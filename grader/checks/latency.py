"""``latency_ratio``: the service's latency as a ratio to the baseline's, requests alternating in one open loop."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from typing import Literal

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import failed, passed, undecided
from grader.load.ratio import Decision, decide, next_look, ratio_measured, ratio_rule
from grader.probe.http import Response, Target
from grader.result import Measurement, Outcome, Series


class LatencyParams(Params):
    """``rate_per_s`` counts both sides together; a window holds ``per_window`` requests of each side."""

    cases: list[Case] = []
    cases_from: str = ""
    threshold: float = Field(gt=0)
    op: Literal["at_most", "at_least"] = "at_most"
    rate_per_s: float = Field(20, gt=0, le=2000)
    per_window: int = Field(10, ge=1, le=1000)
    warm_requests: int = Field(8, ge=0, le=1000)
    advice: str = "Profile one request: the time from send to the last byte is what counts."


class LatencyRatio(Check):
    id = "latency_ratio"
    params_model = LatencyParams
    params: LatencyParams

    async def run(self, ctx: Context) -> Measurement:
        assert ctx.spec.baseline is not None, "latency_ratio needs a lab with a baseline"
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        sides = (ctx.app, ctx.target(ctx.spec.baseline.name))
        for number in range(self.params.warm_requests):
            for side in sides:
                await send(side, cases[number % len(cases)])
        samples: tuple[list[float], list[float]] = ([], [])
        logs: list[float] = []
        rule = ratio_rule(self.params.threshold, self.params.op)
        while (look := next_look(len(logs))) is not None:
            while len(logs) < look:
                window, wrong = await self._window(cases, sides, len(logs))
                if wrong is not None:
                    case, response, said = wrong
                    message = f"Under load, {case.name()}: {said}."
                    decision = Decision(None, 0.0, 0.0, math.inf, len(logs))
                    return failed(message, ratio_measured(decision), rule, self.params.advice, response)
                for kept, new in zip(samples, window, strict=True):
                    kept.extend(new)
                logs.append(math.log(statistics.median(window[0]) / statistics.median(window[1])))
            decision = decide(logs, self.params.threshold, self.params.op)
            if decision.outcome is not None:
                break
        return self._say(decision, samples)

    async def _window(
        self, cases: list[Case], sides: tuple[Target, Target], number: int
    ) -> tuple[tuple[list[float], list[float]], tuple[Case, Response, str] | None]:
        """One window of alternating requests; latencies in seconds from the scheduled send."""
        count = self.params.per_window * 2
        start = time.perf_counter() + 0.01

        async def one(index: int) -> tuple[int, float, Case, Response]:
            due = start + index / self.params.rate_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            case = cases[(number * self.params.per_window + index // 2) % len(cases)]
            response = await send(sides[index % 2], case)
            return index % 2, (response.done_at or math.inf) - due, case, response

        out: tuple[list[float], list[float]] = ([], [])
        for side, latency, case, response in await asyncio.gather(*(one(i) for i in range(count))):
            if said := problem(case, response):
                if side == 1:
                    raise RuntimeError(f"the baseline failed under load: {said}")
                return out, (case, response, said)
            out[side].append(latency)
        return out, None

    def _say(self, decision: Decision, samples: tuple[list[float], list[float]]) -> Measurement:
        measured, rule = ratio_measured(decision), ratio_rule(self.params.threshold, self.params.op)
        middle = [statistics.median(side) for side in samples]
        message = f"The median answer took {middle[0] * 1000:.1f} ms, the baseline's {middle[1] * 1000:.1f} ms."
        series = [
            Series(
                kind="histogram",
                title="Latency",
                unit="s",
                app=samples[0][:2000],
                baseline=samples[1][:2000],
                threshold=middle[1] * self.params.threshold,
                summary=message,
            )
        ]
        if decision.outcome is Outcome.PASSED:
            return passed(message, measured, rule, series=series)
        if decision.outcome is Outcome.FAILED:
            return failed(message, measured, rule, self.params.advice, series=series)
        return undecided(message, measured, rule, series)
