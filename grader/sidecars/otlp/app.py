"""The receiver's HTTP side and its commands.

Over the line protocol of ``grader.sidecars.stdio``: ``traces`` (ids) -> see ``Store.read``; at most
1,000 ids at once.
``listen`` -> {}: from now on everything that is sent is kept, within bounds; ``holds`` (words) ->
{words}: those that
stand anywhere in it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from pydantic import BaseModel, Field, TypeAdapter

from grader.sidecars.asgi import Broken, Exchange, HungUp, Receive, Refused, Scope, Send
from grader.sidecars.otlp.decode import JSON, PROTOBUF, Malformed, spans_in, unpacked
from grader.sidecars.otlp.store import MAX_IDS, Store

TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ReadTraces(BaseModel):
    command: Literal["traces"]
    ids: list[TraceId] = Field(max_length=MAX_IDS)


class Listen(BaseModel):
    command: Literal["listen"]


class FindWords(BaseModel):
    command: Literal["holds"]
    words: list[Annotated[str, Field(pattern=r"^[!-~]{6,200}$")]] = Field(max_length=1000)


COMMANDS: TypeAdapter[ReadTraces | Listen | FindWords] = TypeAdapter(
    Annotated[ReadTraces | Listen | FindWords, Field(discriminator="command")]
)


class Receiver:
    """An ASGI application."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            if (exchange.method, exchange.path) != ("POST", "/v1/traces"):
                raise Refused(404, "this receiver takes POST /v1/traces only")
            await self._traces(exchange)
        except Refused as refused:
            self.store.refuse(refused.message)
            await exchange.json(refused.status, {"message": refused.message})
        except (HungUp, Broken):
            return

    async def _traces(self, exchange: Exchange) -> None:
        raw = await exchange.body()
        kind, encoding = (
            exchange.header("content-type"),
            exchange.header("content-encoding").strip().lower(),
        )
        try:
            # One at a time and beside the loop: whoever floods this waits, and the engine's
            # commands don't.
            async with self._turn:
                body = await asyncio.to_thread(unpacked, raw, encoding)
                spans = await asyncio.to_thread(spans_in, body, kind)
        except Malformed as malformed:
            raise Refused(400, str(malformed)) from malformed
        self.store.add(spans)
        self.store.hear(body)
        if kind.startswith(JSON):
            await exchange.json(200, {})
        else:
            await exchange.whole(
                200, ExportTraceServiceResponse().SerializeToString(), {"Content-Type": PROTOBUF}
            )

    def obey(self, payload: Any) -> dict[str, Any]:
        """Carry out one command. Raises ValueError for an unknown or malformed one."""
        command = COMMANDS.validate_python(payload)
        if isinstance(command, FindWords):
            return {"words": self.store.holds(command.words)}
        if isinstance(command, Listen):
            self.store.listen()
            return {}
        return self.store.read(command.ids)
