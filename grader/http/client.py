"""The probe's only HTTP client: HTTP/1.1, bounded in every direction, with arrival times.

The other side is untrusted. Redirects are never followed, nothing is decompressed, header and body
sizes and the time of the whole exchange are bounded. Times are ``time.perf_counter`` seconds, taken
first thing when bytes arrive.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import httptools

from grader.http import head, is_chunked
from grader.http.response import Response

MAX_BODY = 1 << 20
MAX_HEADERS = 32 << 10
MAX_HEADER_COUNT = 200
MAX_WIRE = 32 << 20
"""Bytes of one response as they come: pieces of one byte cost five more, and trailers may
follow.
"""

TIMED_OUT = "no complete answer within"
"""How the error of a request begins that got no answer in its time."""
StopWhen = Callable[[bytes], bool]


class _Connection(asyncio.Protocol):
    """One connection, one request at a time.

    Never raises into the loop: every fault ends in ``error``.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._response: Response | None = None
        self._done: asyncio.Future[None] | None = None

    # -- called by Target

    def send(
        self, response: Response, head: bytes, max_body: int, stop_when: StopWhen | None
    ) -> asyncio.Future[None]:
        assert self.transport is not None
        self._response, self._max_body, self._stop_when = response, max_body, stop_when
        self._head_bytes = self._body_bytes = self._wire_bytes = 0
        self._head_done = self._until_eof = self.keep = False
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        response.sent_unix = time.time()
        response.sent_at = time.perf_counter()
        self.transport.write(head + response.request_body)
        return self._done

    def drop(self, error: str = "") -> None:
        """Hang up at once; a response under way ends with ``error``."""
        if self.transport is not None and not self.closed:
            self.transport.abort()
        self.closed = True
        self._finish(error)

    def _finish(self, error: str = "") -> None:
        response, done, self._response = self._response, self._done, None
        if response is not None:
            response.error = response.error or error
            if done is not None and not done.done():
                done.set_result(None)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are not derived from asyncio's

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()  # first of all: this is the arrival time
        response = self._response
        if response is None:
            self.drop()
            return
        if response.first_byte_at is None:
            response.first_byte_at = now
        self._now = now
        self._wire_bytes += len(data)
        if self._wire_bytes > MAX_WIRE:
            self.drop(f"the response is larger than {MAX_WIRE} bytes")
            return
        if not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADERS + MAX_BODY:
                self.drop("the header section is too large")
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.drop("the server asked to switch protocols")
        except httptools.HttpParserError as error:
            self.drop(f"not HTTP: {str(error)[:200]}")
        if not self._head_done and self._head_bytes > MAX_HEADERS:
            self.drop("the header section is too large")

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        response = self._response
        if response is None:
            return
        if self._until_eof and exc is None:
            response.done_at = time.perf_counter()
            self._finish()
        else:
            self._finish(
                "the connection was closed "
                + ("in the middle" if self._head_done else "without a response")
            )

    # -- httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is not None:
            self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
            if len(self._response.headers) > MAX_HEADER_COUNT:
                self.drop("too many headers")

    def on_headers_complete(self) -> None:
        response, status = self._response, self._parser.get_status_code()
        if response is None or 100 <= status < 200:
            return
        self._head_done = True
        response.status = status
        headers = response.headers
        self._until_eof = "content-length" not in headers and not is_chunked(
            headers.get("transfer-encoding", "")
        )

    def on_body(self, piece: bytes) -> None:
        response = self._response
        if response is None:
            return
        self._body_bytes += len(piece)
        if self._body_bytes > self._max_body:
            response.truncated = True
            self.drop(f"the body is larger than {self._max_body} bytes")
            return
        response.chunks.append((self._now, piece))
        if self._stop_when is not None and self._stop_when(piece):
            response.truncated = True
            self.drop("hung up on purpose")

    def on_message_complete(self) -> None:
        if self._response is None or not self._head_done:
            return  # an interim 1xx answer
        self._response.done_at = self._now
        self.keep = bool(self._parser.should_keep_alive())
        self._finish()


class Target:
    """One party of the pod that speaks HTTP, with a pool of kept-alive connections."""

    def __init__(
        self, name: str, host: str, port: int, headers: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.headers = dict(headers or {})
        """Sent with every request, e.g. the key of the baseline."""
        self._idle: list[_Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        max_body: int = MAX_BODY,
        stop_when: StopWhen | None = None,
        fresh: bool = False,
    ) -> Response:
        """Send one request and read the whole answer. Never raises for what the other side does.

        ``stop_when`` sees each piece of body and may return True: the connection is then dropped at
        once (a client
        that hangs up). ``fresh`` forbids a kept-alive connection.
        """
        payload = (
            body if body is not None else (b"" if json is None else jsonlib.dumps(json).encode())
        )
        own = {head.CONTENT_TYPE: "application/json"} if json is not None and body is None else {}
        fields = head.fields(self.name, method, payload, self.headers, {**own, **(headers or {})})
        response = Response(
            method, path, fields, payload, self.name, time.perf_counter(), time.time()
        )
        section = head.encode(method, path, fields)
        try:
            async with asyncio.timeout(timeout_s):
                await self._exchange(response, section, max_body, stop_when, fresh)
        except TimeoutError:
            response.error = f"{TIMED_OUT} {timeout_s:g} s"
        except OSError as error:
            response.error = f"could not connect: {error.strerror or error}"
        return response

    async def _exchange(
        self,
        response: Response,
        head: bytes,
        max_body: int,
        stop_when: StopWhen | None,
        fresh: bool,
    ) -> None:
        """One try, and a second one on a new connection when a kept-alive one turns out to be
        closed already.
        """
        for attempt in (0, 1):
            try:
                connection, reused = await self._connect(fresh or attempt == 1)
            except OSError:
                if attempt == 0:
                    raise
                response.error = (
                    "the connection was closed without a response, and then nothing listened"
                )
                return
            try:
                await connection.send(response, head, max_body, stop_when)
            finally:
                self._release(connection, response)
            if not (reused and response.error and response.first_byte_at is None):
                return
            response.error = ""

    async def _connect(self, fresh: bool) -> tuple[_Connection, bool]:
        """A connection, and whether it was used before."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.closed:
                return connection, True
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(_Connection, self.host, self.port)
        return protocol, False

    def _release(self, connection: _Connection, response: Response) -> None:
        if response.error or response.done_at is None or not connection.keep or connection.closed:
            connection.drop()
        else:
            self._idle.append(connection)

    async def warm(self, connections: int) -> None:
        """Open so many kept-alive connections ahead of a measurement.

        Raises OSError when refused.
        """
        self._idle.extend([(await self._connect(fresh=True))[0] for _ in range(connections)])

    async def close(self) -> None:
        """Drop all kept-alive connections."""
        while self._idle:
            self._idle.pop().drop()
