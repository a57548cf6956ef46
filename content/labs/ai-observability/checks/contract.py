"""The contract criterion: requests of every route, one answer looked at closely, and rules that
Prometheus takes.
"""

from __future__ import annotations

from typing import Any

from lab_checks.watch import load_rules
from lab_checks.world import PATH, Model, Traffic, body_of, headers_of, outcome_of, usage_of

from grader.lab_api import Check, Context, Measurement, counted, every, failed, passed


def cases(ctx: Context) -> list[dict[str, Any]]:
    """Good and bad requests."""
    body = body_of(Traffic(ctx.rng("contract"), 1).turn())

    def case(title: str, json: Any, status: int | str, **more: Any) -> dict[str, Any]:
        return {"title": title, "path": PATH, "json": json, "status": status, **more}

    return [
        case("A question", body, 200),
        case("A question without a user", {"question": body["question"]}, "4xx"),
        case("A user without a question", {"user": body["user"]}, "4xx"),
        case("A question that is a number", {**body, "question": 7}, "4xx"),
        case("An empty question", {**body, "question": ""}, "4xx"),
        case("A body that is not JSON", None, "4xx", raw='{"user": '),
        case("The rules", None, 200, path="/rules.yml", method="GET"),
    ]


class Answers(Check):
    """An answer is streamed, and is the model's: its usage is what the model billed for it."""

    id = "answers"

    async def run(self, ctx: Context) -> Measurement:
        turn, model = Traffic(ctx.rng("answers"), 1).turn(), Model(ctx)
        await model.begin()
        answer = await ctx.app.request(
            "POST", PATH, json=body_of(turn), headers=headers_of(turn), timeout_s=15
        )
        _, wrong = outcome_of(answer.status or 0, answer.body)
        billed = [
            {k: row[k] for k in ("prompt_tokens", "completion_tokens")}
            for row in await model.rows()
        ]
        usage = usage_of(answer.body)
        if not wrong and billed != [
            {k: usage.get(k) for k in ("prompt_tokens", "completion_tokens")}
        ]:
            wrong = f"the last event says {str(usage)[:80]}, the model billed {str(billed)[:80]}"
        rule = every("answers that are the model's")
        if wrong:
            advice = (
                "Leave the answers of the supplied app as they are: telemetry changes nothing that "
                "users see."
            )
            unit = "answers that are the model's"
            return failed(f"POST {PATH}: {wrong}.", counted(0, 1, unit), rule, advice, answer)
        return passed(
            "The answer is the model's.", counted(1, 1, "answers that are the model's"), rule
        )


class Rules(Check):
    """The rules file is there, and promtool takes it."""

    id = "rules"

    async def run(self, ctx: Context) -> Measurement:
        problem, response = await load_rules(ctx)
        rule = every("rules files")
        if problem:
            advice = "Run promtool check rules on the file that GET /rules.yml answers with."
            return failed(problem, counted(0, 1, "rules files"), rule, advice, response)
        return passed("Prometheus takes the rules.", counted(1, 1, "rules files"), rule)
