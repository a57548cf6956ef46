"""A bounded HTTP side on plain ASGI: bodies, replies, hanging up, and uvicorn's connection with a
header limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_BODY = 1 << 20
MAX_HEAD = 32 << 10
_TRANSPORT = "seatrial.transport"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refused(Exception):
    """The request gets an error answer of this status."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class HungUp(Exception):
    """The client went away."""


class Broken(Exception):
    """The answer ended early because a fault wanted it so; nothing is left to send."""


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._scope, self._receive, self._send = scope, receive, send

    def header(self, name: str) -> str:
        """The first value, or empty."""
        raw = name.lower().encode()
        return next(
            (value.decode("latin-1") for key, value in self._scope["headers"] if key == raw), ""
        )

    async def body(self) -> bytes:
        """The whole body. Raises Refused beyond 1 MiB, HungUp when it ends early."""
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise HungUp
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MAX_BODY:
                raise Refused(413, f"the body is larger than {MAX_BODY} bytes")
            if not message.get("more_body"):
                return b"".join(parts)

    async def gone(self) -> None:
        """Returns when the client hangs up.

        Only after the body was read, or instead of reading it.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: dict[str, str]) -> None:
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        """An answer in one go."""
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }
        await self.start(status, fields)
        await self.piece(data, more=False)

    async def json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        await self.whole(status, json.dumps(value).encode(), headers)

    def cut(self) -> None:
        """Reset the connection: the client sees it break, not end."""
        transport: asyncio.Transport | None = self._scope.get(_TRANSPORT)
        if transport is None:
            return
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def until_gone(exchange: Exchange, work: Awaitable[None]) -> bool:
    """Do the work unless the client hangs up first; then the work is cancelled.

    Whether it was done.
    """
    doing, watching = asyncio.ensure_future(work), asyncio.ensure_future(exchange.gone())
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's connection, plus a bound on the header section, and its transport within the app's
    reach.
    """

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(Scope, self.scope)[_TRANSPORT] = self.transport

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0
