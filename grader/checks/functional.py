"""``functional``: seeded requests get the answers that they must get."""

from __future__ import annotations

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import counted, failed, passed
from grader.http.response import Response
from grader.result import Measurement, Rule


class FunctionalParams(Params):
    cases: list[Case] = []
    cases_from: str = Field("", description="'module.function' of the lab, called with the context")
    share: float = Field(1.0, gt=0, le=1, description="share of cases that must be right")
    advice: str = "Compare the request and the answer below with the brief."


class Functional(Check):
    id = "functional"
    params_model = FunctionalParams
    params: FunctionalParams

    async def run(self, ctx: Context) -> Measurement:
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        wrong: list[tuple[Case, Response, str]] = []
        for case in cases:
            response = await send(ctx.app, case)
            if said := problem(case, response):
                wrong.append((case, response, said))
        good = len(cases) - len(wrong)
        measured = counted(good, len(cases), "cases")
        share = self.params.share
        rule = Rule(
            op="at_least", threshold=share * 100, unit="%", text=f"at least {share:.0%} of cases"
        )
        if good >= share * len(cases):
            return passed("The answers are right.", measured, rule)
        case, response, said = wrong[0]
        return failed(f"{case.name()}: {said}.", measured, rule, self.params.advice, response)
