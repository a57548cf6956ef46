"""The gateway itself: routes, keys, faults, delays and metering."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from grader.sidecars.asgi import Broken, Exchange, HungUp, Receive, Refused, Scope, Send, until_gone
from grader.sidecars.model_gateway.faults import FaultRule, Schedule
from grader.sidecars.model_gateway.kind import GatewayConfig, ModelConfig
from grader.sidecars.model_gateway.ledger import Ledger, Row
from grader.sidecars.model_gateway.prompt import ChatRequest, EmbeddingRequest
from grader.sidecars.model_gateway.reader import NOT_FOUND, Reader
from grader.sidecars.model_gateway.replies import MODELS, Reply, chunk, completion
from grader.sidecars.model_gateway.seeded import Attempts, asked, delays, digest_of

EMBEDDING_MODEL = "minilm"
HANG_S = 120.0
REASONS = {400: "invalid_request_error", 401: "authentication_error", 413: "invalid_request_error"}
Body = TypeVar("Body", bound=BaseModel)


class Gateway:
    """An ASGI application. ``embedder`` has ``embed`` and ``count`` (see embedding.Embedder)."""

    def __init__(self, seed: str, config: GatewayConfig, embedder: Any) -> None:
        self.seed, self.config, self.embedder = seed, config, embedder
        self.reader = Reader(embedder)
        self.ledger = Ledger()
        self.schedule = Schedule(seed)
        self._attempts = Attempts()
        self._thinking = asyncio.Semaphore(1)

    def count(self, text: str) -> int:
        """WordPiece tokens."""
        return int(self.embedder.count(text))

    def set_faults(self, rules: list[FaultRule], salt: str = "") -> None:
        """Start a schedule: its windows count from now, from request 0.

        ``salt`` parts gateways of one seed.
        """
        self.schedule = Schedule(self.seed + salt, rules, started_at=time.monotonic())

    def reset(self) -> None:
        """Empty the ledger, end all faults, forget attempts."""
        self.ledger.reset()
        self.schedule = Schedule(self.seed)
        self._attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        route = {
            ("GET", "/healthz"): self._health,
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
        }.get((exchange.method, exchange.path))
        try:
            if route is None:
                raise Refused(404, f"there is no {exchange.method[:10]} {exchange.path[:100]}")
            await route(exchange)
        except Refused as refused:
            await answer_refusal(exchange, refused)
        except (HungUp, Broken):
            return

    async def _health(self, exchange: Exchange) -> None:
        await exchange.json(200, {"status": "ok"})

    async def _models(self, exchange: Exchange) -> None:
        self._key(exchange)
        names = [*self.config.models, *([EMBEDDING_MODEL] if self.config.embeddings else [])]
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "seatrial"} for name in names
        ]
        await exchange.json(200, {"object": "list", "data": data})

    def _key(self, exchange: Exchange) -> str:
        """The caller's key. Raises Refused 401 unless it is one of ours or none is needed."""
        scheme, _, key = exchange.header("authorization").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        known = [hmac.compare_digest(key.encode(), k.encode()) for k in self.config.keys]
        if self.config.keys and not any(known):
            raise Refused(401, "send one of the lab's keys: Authorization: Bearer <key>")
        return key[:100]

    # -- metered routes

    async def _chat(self, exchange: Exchange) -> None:
        await self._metered(exchange, "chat")

    async def _embeddings(self, exchange: Exchange) -> None:
        await self._metered(exchange, "embeddings")

    async def _metered(self, exchange: Exchange, kind: str) -> None:
        row = self.ledger.open(kind, time.time())
        row.traceparent = exchange.header("traceparent")[:100]
        try:
            row.key = self._key(exchange)
            rule = self.schedule.next(time.monotonic())  # chosen before the body is read
            if rule is not None and not rule.models:
                await self._fail(exchange, row, rule)
            raw = await exchange.body()
            if kind == "embeddings" and not self.config.embeddings:
                raise Refused(404, "this gateway has no embeddings")
            if kind == "embeddings":
                await self._embed(exchange, row, parse(EmbeddingRequest, raw))
            else:
                request = parse(ChatRequest, raw)
                row.asked, row.fields = asked(json.loads(raw))
                await self._converse(exchange, row, rule, request)
        except Refused as refused:
            row.status = refused.status
            raise
        except HungUp:
            row.cancelled = True
            raise
        finally:
            row.end = time.time()

    async def _fail(self, exchange: Exchange, row: Row, rule: FaultRule) -> None:
        """Apply a fault.

        Returns for those that go on: ``slow``, ``abstain``, ``thinking``, ``reset`` (cut later).
        """
        row.fault = rule.kind
        match rule.kind:
            case "429":
                message = "rate limit reached; wait as long as Retry-After says"
                raise Refused(429, message, {"Retry-After": f"{rule.retry_after_s:g}"})
            case "500":
                raise Refused(500, "the model server failed")
            case "hang":
                await until_gone(exchange, asyncio.sleep(HANG_S))
                exchange.cut()
                raise Broken
            case "bad_json":
                row.status = 200
                await exchange.whole(
                    200,
                    b'{"id": "chatcmpl-0", "object": "chat.completion", "choices": [{"index": 0',
                )
                raise Broken

    async def _embed(self, exchange: Exchange, row: Row, request: EmbeddingRequest) -> None:
        row.model = EMBEDDING_MODEL
        async with self._thinking:
            row.prompt_tokens = await asyncio.to_thread(lambda: sum(map(self.count, request.texts)))
            vectors = await asyncio.to_thread(self.embedder.embed, request.texts)
        row.cost_micro = row.prompt_tokens * self.config.embedding_price
        if row.fault == "reset":
            exchange.cut()
            raise Broken
        row.status, row.first_token = 200, time.time()
        data = [
            {"object": "embedding", "index": i, "embedding": [float(x) for x in v]}
            for i, v in enumerate(vectors)
        ]
        usage = {"prompt_tokens": row.prompt_tokens, "total_tokens": row.prompt_tokens}
        await exchange.json(
            200, {"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": usage}
        )

    async def _converse(
        self, exchange: Exchange, row: Row, rule: FaultRule | None, request: ChatRequest
    ) -> None:
        config = self.config.models.get(request.model)
        row.model = request.model
        if config is None:
            raise Refused(
                404,
                f"there is no model {request.model!r}; there are {', '.join(self.config.models)}",
            )
        if rule is not None and request.model in rule.models:
            await self._fail(exchange, row, rule)
        digest = digest_of(request.model, [m.model_dump() for m in request.messages])
        row.attempt = self._attempts.next(digest)
        arrived = asyncio.get_running_loop().time()
        async with self._thinking:
            reply, prompt = await asyncio.to_thread(
                self._think, config, request, digest, row.attempt
            )
        if row.fault == "abstain":
            reply = Reply((NOT_FOUND,), "stop")
        row.prompt_tokens = prompt
        row.cost_micro = prompt * config.prompt_price
        if rule is not None and row.fault == "thinking":
            hidden = round(rule.factor * len(reply.pieces))
            row.completion_tokens, row.cost_micro = (
                hidden,
                row.cost_micro + hidden * config.completion_price,
            )
        slow = rule.factor if rule is not None and row.fault == "slow" else 1.0
        pace = delays(
            self.seed,
            digest,
            row.attempt,
            config.ttft_ms / 1000 * slow,
            config.itl_ms / 1000 * slow,
            config.jitter,
        )
        times = (arrived + offset for offset in pace)
        turn = Turn(exchange, row, config, reply, times)
        if not await until_gone(exchange, turn.stream(request) if request.stream else turn.whole()):
            raise HungUp

    def _think(
        self, config: ModelConfig, request: ChatRequest, digest: str, attempt: int
    ) -> tuple[Reply, int]:
        prompt = sum(self.count(message.text) for message in request.messages)
        return MODELS[config.kind](self, request, digest, attempt), prompt


class Turn:
    """One answer on its way out, token by token.

    Tokens are metered as they leave, so a hang-up stops the meter.
    """

    def __init__(
        self,
        exchange: Exchange,
        row: Row,
        config: ModelConfig,
        reply: Reply,
        times: Iterator[float],
    ) -> None:
        self.exchange, self.row, self.config, self.reply, self.times = (
            exchange,
            row,
            config,
            reply,
            times,
        )
        self.id, self.created = f"chatcmpl-{row.index}", int(row.start)

    async def _token(self) -> None:
        """Wait for the next token's time, then meter it."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, next(self.times) - loop.time()))
        self.row.completion_tokens += 1
        self.row.cost_micro += self.config.completion_price
        self.row.first_token = self.row.first_token or time.time()

    async def whole(self) -> None:
        """A JSON answer after the time that all tokens take."""
        for _ in self.reply.pieces:
            await self._token()
        body = completion(
            self.id, self.row.model, self.reply.text, self.reply.finish, self.usage(), self.created
        )
        raw = json.dumps(body).encode()
        self.row.status = 200
        if self.row.fault == "reset":
            await self.exchange.start(
                200, {"Content-Type": "application/json", "Content-Length": str(len(raw))}
            )
            await self.exchange.piece(raw[: len(raw) // 2])
            await self._cut()
        await self.exchange.whole(200, raw)

    async def stream(self, request: ChatRequest) -> None:
        """Server-sent events: one chunk per token, the finish reason, usage, [DONE]."""
        self.row.status = 200
        await self.exchange.start(
            200, {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        cut_at = max(1, len(self.reply.pieces) // 2) if self.row.fault == "reset" else -1
        await self._event(self._chunk({"role": "assistant", "content": ""}))
        for number, piece in enumerate(self.reply.pieces):
            if number == cut_at:
                await self._cut()
            await self._token()
            await self._event(self._chunk({"content": piece}))
        if cut_at >= len(self.reply.pieces):
            await self._cut()
        last = self._chunk({}, self.reply.finish)
        if request.stream_options is not None and request.stream_options.include_usage:
            await self._event(last)
            last = {**self._chunk({}), "choices": [], "usage": self.usage()}
        else:
            last["usage"] = self.usage()
        await self._event(last)
        await self.exchange.piece(b"data: [DONE]\n\n", more=False)

    async def _cut(self) -> None:
        await asyncio.sleep(0.02)  # let what was written leave first
        self.exchange.cut()
        raise Broken

    def usage(self) -> dict[str, int]:
        prompt, done = self.row.prompt_tokens, self.row.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": done, "total_tokens": prompt + done}

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        return chunk(self.id, self.row.model, delta, finish, self.created)

    async def _event(self, data: dict[str, Any]) -> None:
        await self.exchange.piece(b"data: " + json.dumps(data).encode() + b"\n\n")


def parse(model: type[Body], raw: bytes) -> Body:
    """The body as a request. Raises Refused 400 with the first thing that is wrong."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        raise Refused(400, f"{where or 'body'}: {first['msg'][:200]}") from None


async def answer_refusal(exchange: Exchange, refused: Refused) -> None:
    """The error in the shape that OpenAI clients read."""
    kind = REASONS.get(
        refused.status, "rate_limit_error" if refused.status == 429 else "server_error"
    )
    body = {"error": {"message": refused.message, "type": kind, "param": None, "code": None}}
    await exchange.json(refused.status, body, refused.headers)
