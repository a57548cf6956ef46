"""Faults that only telemetry shows: abstentions, hidden tokens; and the trace contexts that reach
the model.
"""

from __future__ import annotations

from typing import Any

from gateway_kit import gateway, serving

from grader.sidecars.model_gateway.faults import FaultRule

BODY = {
    "model": "stream",
    "messages": [{"role": "user", "content": "Where is my parcel?"}],
    "max_tokens": 4,
}


async def ask(rule: FaultRule | None, **headers: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(answer, ledger row) of one request under a fault."""
    models = gateway()
    models.set_faults([rule] if rule else [])
    async with serving(models) as target:
        answer = await target.request("POST", "/v1/chat/completions", json=BODY, headers=headers)
    return answer.json(), models.ledger.read()["rows"][0]


async def test_a_model_that_abstains_says_so_and_bills_one_token() -> None:
    answer, row = await ask(FaultRule(kind="abstain"))
    assert answer["choices"][0]["message"]["content"] == "NOT_FOUND"
    assert (row["status"], row["fault"], row["completion_tokens"]) == (200, "abstain", 1)


async def test_thinking_costs_tokens_that_nobody_sees() -> None:
    plain, _ = await ask(None)
    answer, row = await ask(FaultRule(kind="thinking", factor=10))
    assert answer["choices"][0]["message"] == plain["choices"][0]["message"]
    assert answer["usage"]["completion_tokens"] == row["completion_tokens"] == 44
    assert row["cost_micro"] == row["prompt_tokens"] + 4 * 44


async def test_the_ledger_has_the_callers_trace_context() -> None:
    context = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    assert (await ask(None, traceparent=context))[1]["traceparent"] == context
    assert (await ask(None, traceparent="x" * 500))[1]["traceparent"] == "x" * 100
    assert (await ask(None))[1]["traceparent"] == ""
