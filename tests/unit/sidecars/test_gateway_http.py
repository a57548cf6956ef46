"""The gateway over real HTTP in this process: shapes, streams, metering, faults, bounds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from gateway_kit import gateway, serving
from waiting import comes_true

from grader.http.client import Target
from grader.http.response import Response
from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.faults import FaultRule

CONTEXT = (
    "[c17] Refunds under Cedar Plus are transferred within 42 days.\n[c18] Harbor Basic pays 9 "
    "dollars."
)
ASK = {
    "model": "reader",
    "messages": [
        {
            "role": "user",
            "content": f"{CONTEXT}\nQuestion: In how many days are refunds of Cedar Plus there?",
        }
    ],
}
CHAT = "/v1/chat/completions"


def rows(models: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = models.ledger.read()["rows"]
    return found


async def chat(target: Target, **more: Any) -> Response:
    return await target.request("POST", CHAT, json={**ASK, **more}, timeout_s=10)


async def test_json_answer_and_its_ledger_row() -> None:
    models = gateway(
        models={"reader": {"prompt_price": 2, "completion_price": 10, "ttft_ms": 40, "itl_ms": 5}}
    )
    async with serving(models) as target:
        response = await chat(target)
    body = response.json()
    assert response.status == 200
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "42 days [c17]"}
    assert body["choices"][0]["finish_reason"] == "stop"
    [row] = rows(models)
    assert body["usage"] == {
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": 3,
        "total_tokens": row["prompt_tokens"] + 3,
    }
    assert row["cost_micro"] == 2 * row["prompt_tokens"] + 10 * 3
    assert (row["status"], row["kind"], row["model"], row["cancelled"]) == (
        200,
        "chat",
        "reader",
        False,
    )
    assert row["first_token"] - row["start"] >= 0.03
    assert response.total_s >= 0.03


async def test_stream_of_chunks() -> None:
    async with serving(gateway()) as target:
        response = await chat(target, stream=True)
    events = [text for _, text in response.events()]
    assert response.headers["content-type"] == "text/event-stream"
    assert events[-1] == "[DONE]"
    chunks = [json.loads(text) for text in events[:-1]]
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"}
    assert [c["choices"][0]["delta"].get("content", "") for c in chunks] == [
        "",
        "42",
        " days",
        " [c17]",
        "",
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == 3


async def test_stream_model_is_seeded_paced_and_bounded_by_max_tokens() -> None:
    texts = []
    for seed in ("a", "a", "b"):
        async with serving(gateway(seed)) as target:
            response = await chat(target, model="stream", max_tokens=8, stream=True)
        chunks = [(at, json.loads(text)) for at, text in response.events() if text != "[DONE]"]
        pieces = [(at, c["choices"][0]["delta"].get("content")) for at, c in chunks]
        pieces = [(at, text) for at, text in pieces if text]
        assert [text.strip().split(":")[0] for _, text in pieces] == [str(n) for n in range(8)]
        assert pieces[-1][0] - pieces[0][0] >= 0.08  # seven gaps of about 20 ms, not one burst
        texts.append("".join(text for _, text in pieces))
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("stream", [True, False])
async def test_hanging_up_stops_the_meter(stream: bool) -> None:
    models = gateway()
    body = {"model": "stream", "max_tokens": 200, "stream": stream, "messages": ASK["messages"]}
    async with serving(models) as target:
        await target.request("POST", CHAT, json=body, timeout_s=0.25, fresh=True)
        await comes_true(lambda: [row for row in rows(models) if row["cancelled"]])
        [row] = rows(models)
        assert 1 <= row["completion_tokens"] < 30
        await asyncio.sleep(0.15)
        assert rows(models)[0]["completion_tokens"] == row["completion_tokens"]


async def test_keys() -> None:
    models = gateway(keys=["lab-key"])
    async with serving(models) as target:
        refused = [
            await target.request("POST", CHAT, json=ASK),
            await target.request("POST", CHAT, json=ASK, headers={"Authorization": "Bearer other"}),
            await target.request("GET", "/v1/models"),
        ]
        good = await target.request(
            "POST", CHAT, json=ASK, headers={"Authorization": "Bearer lab-key"}
        )
        health = await target.request("GET", "/healthz")
    assert [r.status for r in refused] == [401, 401, 401]
    assert (good.status, health.status) == (200, 200)
    assert [(r["key"], r["status"]) for r in rows(models)] == [
        ("", 401),
        ("", 401),
        ("lab-key", 200),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[" * 50_000, 400),
        (b'{"model": "reader"}', 400),
        (b'{"model": "reader", "messages": [{"role": "user", "content": 3}]}', 400),
        (b'{"model": "other", "messages": [{"role": "user", "content": "x"}]}', 404),
        (b" " * ((1 << 20) + 1), 413),
    ],
)
async def test_bad_bodies(body: bytes, status: int) -> None:
    async with serving(gateway()) as target:
        response = await target.request("POST", CHAT, body=body)
    assert response.status == status
    assert response.json()["error"]["message"]


async def test_unknown_route_and_header_bound() -> None:
    async with serving(gateway()) as target:
        assert (await target.request("GET", "/v1/nothing")).status == 404
        flooded = await target.request(
            "GET", "/healthz", headers={"X-Pad": "x" * 400_000}, fresh=True
        )
        assert flooded.status is None
        assert (await target.request("GET", "/healthz")).status == 200


async def test_models_and_embeddings() -> None:
    models = gateway()
    async with serving(models) as target:
        listed = await target.request("GET", "/v1/models")
        made = await target.request("POST", "/v1/embeddings", json={"input": ["a b", "c"]})
    assert {m["id"] for m in listed.json()["data"]} == {"reader", "stream", "minilm"}
    assert [d["index"] for d in made.json()["data"]] == [0, 1]
    assert made.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert rows(models)[0]["kind"] == "embeddings"


async def test_refusals_by_schedule() -> None:
    models = gateway()
    rules = [
        FaultRule(kind="429", to_index=1, retry_after_s=0.5),
        FaultRule(kind="500", from_index=1, to_index=2),
    ]
    models.set_faults([*rules, FaultRule(kind="bad_json", from_index=2, to_index=3)])
    async with serving(models) as target:
        answers = [await chat(target) for _ in range(4)]
    assert [a.status for a in answers] == [429, 500, 200, 200]
    assert answers[0].headers["retry-after"] == "0.5"
    assert [a.json() is None for a in answers] == [False, False, True, False]
    assert [r["fault"] for r in rows(models)] == ["429", "500", "bad_json", ""]
    assert [r["attempt"] for r in rows(models)] == [0, 0, 0, 0]


@pytest.mark.parametrize("stream", [True, False])
async def test_reset_cuts_in_the_middle(stream: bool) -> None:
    models = gateway()
    models.set_faults([FaultRule(kind="reset")])
    async with serving(models) as target:
        response = await chat(target, stream=stream)
        assert response.error
        assert response.status == 200
        assert response.body
        assert b"[DONE]" not in response.body
    [row] = rows(models)
    assert (row["fault"], row["cancelled"]) == ("reset", False)


async def test_hang_answers_nothing_and_slow_is_slow() -> None:
    models = gateway()
    models.set_faults(
        [FaultRule(kind="hang", to_index=1), FaultRule(kind="slow", from_index=1, factor=30)]
    )
    async with serving(models) as target:
        silent = await target.request("POST", CHAT, json=ASK, timeout_s=0.3, fresh=True)
        slow = await chat(target)
    assert silent.status is None
    assert slow.status == 200
    assert slow.total_s >= 0.1


async def test_rules_for_one_model_leave_the_others_alone() -> None:
    models = gateway()
    models.set_faults([FaultRule(kind="500", models=["stream"])])
    async with serving(models) as target:
        assert (await chat(target)).status == 200
        assert (await chat(target, model="stream", max_tokens=1)).status == 500
