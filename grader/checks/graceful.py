"""``graceful_stop``: on SIGTERM requests in flight are answered, then the process exits cleanly
within the grace.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import counted, every, failed, passed
from grader.checks.stopping import RULE, Stop
from grader.checks.waiting import ready_again
from grader.http.response import Response
from grader.result import Measured, Measurement, Rule

UNIT = "requests in flight answered"


class GracefulParams(Params):
    """``cases`` are sent at once; SIGTERM follows after ``delay_s``, while they are under way."""

    cases: list[Case] = []
    cases_from: str = ""
    delay_s: float = Field(0.3, gt=0, le=5)
    restart: bool = Field(True, description="start the service again for the criteria that follow")


class GracefulStop(Check):
    id = "graceful_stop"
    params_model = GracefulParams
    params: GracefulParams

    async def run(self, ctx: Context) -> Measurement:
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        flying = [asyncio.create_task(send(ctx.app, case)) for case in cases]
        await asyncio.sleep(self.params.delay_s)
        grace = ctx.spec.limits.stop_grace_s
        state = await ctx.control("stop", ctx.replicas[0], grace_s=grace)
        answers = await asyncio.gather(*flying)
        judged = self._judge(cases, answers, state, grace)
        if self.params.restart:
            await ctx.control("restart", ctx.replicas[0])
            if await ready_again(ctx) is None:
                measured = counted(0, 1, "restarts")
                message = "The service did not start again."
                return failed(message, measured, every("restarts"), ADVICE, availability=True)
        return judged

    @staticmethod
    def _judge(
        cases: list[Case], answers: list[Response], state: dict[str, Any], grace: float
    ) -> Measurement:
        wrong = [
            (c, a, said) for c, a in zip(cases, answers, strict=True) if (said := problem(c, a))
        ]
        measured = counted(len(cases) - len(wrong), len(cases), UNIT)
        if wrong:
            case, answer, said = wrong[0]
            message = f"After SIGTERM, {case.name()}: {said}."
            return failed(
                message, measured, every(UNIT), ADVICE, answer, availability=bool(answer.error)
            )
        stop = Stop.of("the service", state)
        text = f"exit code {stop.exit_code} after {stop.seconds:.1f} s"
        if said := stop.wrong(grace):
            value = Measured(value=stop.seconds, unit="s", text=text)
            rule = Rule(op="at_most", threshold=grace, unit="s", text=f"{RULE} within {grace:g} s")
            return failed(
                f"{said[0].upper()}{said[1:]}.",
                value,
                rule,
                ADVICE,
                availability=stop.too_slow(grace),
            )
        return passed(f"All answered; {text}.", measured, every(UNIT))


ADVICE = (
    "Let the server be process 1's direct child and take SIGTERM: use the exec form of CMD, stop "
    "accepting, answer "
    "what is in flight, then exit; an end by the SIGTERM itself (143) is as clean as 0."
)
