"""The HTTP side of the gateway: chat (JSON and server-sent events), embeddings, models."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from grader.sidecars.model_gateway.config import GatewayConfig
from grader.sidecars.model_gateway.embedding import Embedder
from grader.sidecars.model_gateway.faults import Rule, Schedule
from grader.sidecars.model_gateway.ledger import Ledger, Row
from grader.sidecars.model_gateway.prompt import texts_of
from grader.sidecars.model_gateway.replies import Replies, Reply, usage

MAX_BODY = 1 << 20
MAX_INPUTS = 256
MAX_TOKENS = 4096
HANG_S = 120.0


class BadRequest(Exception):
    """The body is no request of this API; the message goes back with 400."""


class Gateway:
    """One run's gateway. All state lives here; handlers run in one event loop."""

    def __init__(self, seed: str, config: GatewayConfig, embedder: Embedder) -> None:
        self.config, self.embedder = config, embedder
        self.ledger, self.schedule = Ledger(), Schedule(seed)
        self._replies = Replies(seed, config, embedder)
        self._began = time.monotonic()
        # One computation at a time: waiting is honest, and the sidecar keeps to its share of CPU.
        self._model = asyncio.Lock()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
            ]
        )

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"ok": True})

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": m, "object": "model"} for m in self.config.models]})

    # -- chat

    async def _chat(self, request: Request) -> Response:
        row = self.ledger.open("chat", self._now())
        fault = self.schedule.next()  # before anything of the body is read
        refusal = self._key(request, row) or await self._refuse(fault, row)
        if refusal is not None:
            return self._close(row, refusal)
        try:
            body = await _json_body(request)
            texts, model, limit = self._understood(body)
        except BadRequest as error:
            return self._close(row, _error(400, str(error)))
        row.model = model
        async with self._model:
            reply = await asyncio.to_thread(self._replies.chat, model, texts, limit)
        row.prompt_tokens = reply.prompt_tokens
        slow = fault.factor if fault is not None and fault.kind == "slow" else 1.0
        reset = fault is not None and fault.kind == "reset"
        if body.get("stream") is True:
            row.status = 200
            events = self._stream(reply, row, slow, reset)
            return StreamingResponse(events, media_type="text/event-stream")
        await asyncio.sleep(sum(reply.delays_s) * slow)
        row.first_token = round(self._now(), 4)
        self._charge(row, reply)
        return self._close(row, _whole(reply, model, reset))

    def _understood(self, body: dict[str, Any]) -> tuple[list[str], str, int]:
        model = body.get("model", "")
        if model not in self.config.models:
            raise BadRequest(f"there is no model {str(model)[:40]!r}; there are: {', '.join(self.config.models)}")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise BadRequest("messages must be a list of at least one message")
        limit = body.get("max_tokens", MAX_TOKENS)
        if not isinstance(limit, int) or not 1 <= limit <= MAX_TOKENS:
            raise BadRequest(f"max_tokens must be a whole number from 1 to {MAX_TOKENS}")
        try:
            return texts_of(messages), model, limit
        except ValueError as error:
            raise BadRequest(str(error)) from None

    async def _stream(self, reply: Reply, row: Row, slow: float, reset: bool) -> AsyncIterator[bytes]:
        """Chunks at their seeded times. Metering stops when the client hangs up."""
        sent = ""
        try:
            for index, (piece, delay) in enumerate(zip(reply.pieces, reply.delays_s, strict=True)):
                await asyncio.sleep(delay * slow)
                if reset and index >= len(reply.pieces) // 2:
                    raise ConnectionResetError("a fault of the schedule")
                row.first_token = row.first_token or round(self._now(), 4)
                sent += piece
                yield _event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage(reply)}
            yield _event(end)
            yield b"data: [DONE]\n\n"
            self._charge(row, reply)
        finally:
            if row.completion_tokens == 0:
                row.cancelled = True
                row.completion_tokens = self.embedder.count(sent)
            row.end = round(self._now(), 4)

    def _charge(self, row: Row, reply: Reply) -> None:
        row.completion_tokens, row.cost_micro = reply.completion_tokens, reply.cost_micro

    # -- embeddings

    async def _embeddings(self, request: Request) -> Response:
        row = self.ledger.open("embeddings", self._now())
        refusal = self._key(request, row)
        if refusal is not None:
            return self._close(row, refusal)
        try:
            body = await _json_body(request)
            given = body.get("input")
            texts = [given] if isinstance(given, str) else given
            if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_INPUTS:
                raise BadRequest(f"input must be a text or a list of 1 to {MAX_INPUTS} texts")
            if not all(isinstance(text, str) for text in texts):
                raise BadRequest("input must hold texts only")
        except BadRequest as error:
            return self._close(row, _error(400, str(error)))
        async with self._model:
            vectors = await asyncio.to_thread(self.embedder.embed, texts)
        row.prompt_tokens = sum(self.embedder.count(text) for text in texts)
        data = [{"object": "embedding", "index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]
        used = {"prompt_tokens": row.prompt_tokens, "total_tokens": row.prompt_tokens}
        return self._close(row, JSONResponse({"object": "list", "data": data, "model": "minilm", "usage": used}))

    # -- shared

    def _key(self, request: Request, row: Row) -> Response | None:
        row.key = request.headers.get("authorization", "").removeprefix("Bearer ")[:80]
        if self.config.keys and row.key not in self.config.keys:
            return _error(401, "send an API key as 'Authorization: Bearer KEY'")
        return None

    async def _refuse(self, fault: Rule | None, row: Row) -> Response | None:
        if fault is None:
            return None
        row.fault = fault.kind
        if fault.kind == "429":
            headers = {"Retry-After": f"{fault.retry_after_s:g}"}
            return JSONResponse({"error": {"message": "rate limited"}}, 429, headers)
        if fault.kind == "500":
            return _error(500, "the provider failed")
        if fault.kind == "bad_json":
            return Response('{"choices": [{"message": {"content": "', 200, media_type="application/json")
        if fault.kind == "hang":
            await asyncio.sleep(HANG_S)
            return _error(504, "the provider hung")
        return None

    def _close(self, row: Row, response: Response) -> Response:
        row.status, row.end = response.status_code, round(self._now(), 4)
        return response


async def _json_body(request: Request) -> dict[str, Any]:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY:
            raise BadRequest("the body is larger than 1 MiB")
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(data)
        if isinstance(body, dict):
            return body
    raise BadRequest("the body must be a JSON object")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status)


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"object": "chat.completion.chunk", **data}).encode() + b"\n\n"


def _whole(reply: Reply, model: str, reset: bool) -> Response:
    message = {"role": "assistant", "content": reply.text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    response = JSONResponse({"object": "chat.completion", "model": model, "choices": [choice], "usage": usage(reply)})
    if reset:
        # The server hangs up when less comes than it announced: half a reply, then nothing.
        response.body = response.body[: len(response.body) // 2]
    return response
