"""Telemetry changes nothing that users see: tokens go on as the model makes them, and they are the
model's.
"""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from gateway_kit import WordEmbedder, arriving, serving
from labkit import lab_checks

from grader.http.client import Target
from grader.result import Outcome
from grader.sidecars.asgi import Exchange, Receive, Scope, Send
from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.kind import GatewayConfig

MODEL = {
    "models": {"assistant": {"kind": "stream", "ttft_ms": 30, "itl_ms": 8, "jitter": 0}},
    "embeddings": False,
}
PARAMS = {
    "cases_from": "speed.streams",
    "text": "/token",
    "tokens": "/usage/completion_tokens",
    "end": "",
    "first_share": 0.6,
    "own_share": 0.5,
}


class Through:
    """The assistant with nothing but its streams."""

    def __init__(self, model: Target) -> None:
        self.model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        asked = json.loads(await exchange.body())
        await exchange.start(200, {"Content-Type": "text/event-stream"})
        await self.send_on(exchange, self.events(asked["question"]))
        await exchange.piece(b"", more=False)

    async def events(self, question: str) -> AsyncIterator[bytes]:
        body = {
            "model": "assistant",
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 20,
        }
        raw = json.dumps(
            {**body, "stream": True, "stream_options": {"include_usage": True}}
        ).encode()
        left = b""
        async for piece in arriving(
            self.model, "/v1/chat/completions", raw, {"Content-Type": "application/json"}
        ):
            *blocks, left = (left + piece).split(b"\n\n")
            for block in blocks:
                if block.startswith(b"data: {"):
                    yield (
                        b"data: " + json.dumps(self.event(json.loads(block[6:]))).encode() + b"\n\n"
                    )

    def event(self, chunk: dict[str, Any]) -> dict[str, Any]:
        if usage := chunk.get("usage"):
            return {"done": True, "usage": usage}
        return {"token": chunk["choices"][0]["delta"].get("content", "")}

    async def send_on(self, exchange: Exchange, events: AsyncIterator[bytes]) -> None:
        async for event in events:
            await exchange.piece(event)


class Collects(Through):
    async def send_on(self, exchange: Exchange, events: AsyncIterator[bytes]) -> None:
        await exchange.piece(b"".join([event async for event in events]))


class LosesAToken(Through):
    def event(self, chunk: dict[str, Any]) -> dict[str, Any]:
        event = super().event(chunk)
        return {"token": ""} if event.get("token", "").startswith(" 7:") else event


@pytest.mark.parametrize(
    ("kind", "outcome", "said"),
    [
        (Through, Outcome.PASSED, "times as long as the model needed"),
        (Collects, Outcome.FAILED, "of an answer's time"),
        (LosesAToken, Outcome.FAILED, "is not the one of 20 tokens"),
    ],
)
async def test_users_read_along_as_before(kind: type[Through], outcome: Outcome, said: str) -> None:
    with lab_checks("ai-observability"):
        check = importlib.import_module("lab_checks.speed").StillStreams
        gateway = Gateway("s", GatewayConfig.model_validate(MODEL), WordEmbedder())

        async def control(_action: str, _party: str, payload: dict[str, Any]) -> dict[str, Any]:
            return obey(gateway, payload)

        async with serving(gateway) as model, serving(kind(model)) as app:  # type: ignore[arg-type]
            ctx: Any = SimpleNamespace(
                app=app,
                control=control,
                rng=random.Random,
                lab_module=lambda name: importlib.import_module(f"lab_checks.{name}"),
            )
            found = await check(check.params_model.model_validate(PARAMS)).run(ctx)
    assert found.outcome is outcome, found.message
    assert said in found.message
