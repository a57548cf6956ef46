"""One connection of the load generator: HTTP/1.1, one request at a time, everything bounded.

Written for speed: one parser per connection, header names are decoded only when somebody asks, and
the arrival time is taken first thing when bytes come in. The other side is untrusted.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Protocol, cast

import httptools

from grader.http import is_chunked
from grader.load.targeter import Answer, Request

MAX_BODY = 1 << 20
MAX_HEADERS = 32 << 10
MAX_HEADER_COUNT = 200
MAX_WIRE = 16 << 20
"""Bytes of one response as they come: pieces of one byte cost five more, and trailers may
follow.
"""
_ESTABLISHED = 1
_INFO = getattr(socket, "TCP_INFO", None)


class Flight:
    """One request on its way, from the moment it is due."""

    __slots__ = ("connection", "due", "index", "over", "request", "retried", "sent", "side", "wire")

    def __init__(self, index: int, side: int, due: float, request: Request, wire: bytes) -> None:
        self.index, self.side, self.due = index, side, due
        self.request, self.wire = request, wire
        self.connection: Connection | None = None
        self.sent = 0.0
        self.over = self.retried = False


class Owner(Protocol):
    """What a connection tells its pool, and what it asks it."""

    streaming: bool
    held: int
    """Bytes of unfinished bodies, of all connections together."""

    def full(self) -> bool:
        """Whether ``held`` is at its bound."""
        ...

    def answered(self, flight: Flight, answer: Answer, first_at: float, at: float) -> None: ...

    def broke(self, flight: Flight, error: str) -> None: ...

    def may_be_stale(self, connection: Connection, flight: Flight) -> bool:
        """Whether the server may have closed the connection before it saw the request."""
        ...

    def again(self, flight: Flight) -> None: ...

    def free(self, connection: Connection) -> None: ...

    def gone(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Reports to its pool: ``answered`` or ``broke`` once per flight, then ``free`` or ``gone``."""

    def __init__(self, pool: Owner, sock: socket.socket) -> None:
        self.pool, self.sock = pool, sock
        self.transport: asyncio.Transport | None = None
        self.flight: Flight | None = None
        self.closed = False
        self.quiet_since = time.perf_counter()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._head_bytes = self._wire_bytes = self._status = self._size = 0
        self._first_at = 0.0
        self._head_done = self._complete = self._surplus = self._keep = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._fresh: list[bytes] = []
        """Pieces of body; in streaming mode only those of the bytes at hand, which share one
        arrival time.
        """
        self._chunks: list[tuple[float, bytes]] = []

    # -- called by the pool

    def usable(self) -> bool:
        """Not closed, and as far as this machine's kernel knows, not closed by the other side
        either.
        """
        if self.closed:
            return False
        try:
            return (
                _INFO is None
                or self.sock.getsockopt(socket.IPPROTO_TCP, _INFO, 1)[0] == _ESTABLISHED
            )
        except OSError:
            return False

    def send(self, flight: Flight) -> None:
        """Send the request now. The connection must be usable and free."""
        assert self.transport is not None
        self.flight, flight.connection = flight, self
        flight.sent = time.perf_counter()
        self.transport.write(flight.wire)

    def drop(self, error: str = "") -> None:
        """Hang up at once; a flight under way breaks with ``error``, or silently when that is
        empty.
        """
        self.closed = True
        flight, self.flight = self.flight, None
        self._let_go()
        if self.transport is not None:
            self.transport.abort()
        if flight is not None and error:
            self.pool.broke(flight, error)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are not derived from asyncio's

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()  # first of all: this is the arrival time
        if self.flight is None or self._parser is None:
            self.drop()  # bytes that nobody asked for
            return
        if not self._first_at:
            self._first_at = at
        self._wire_bytes += len(data)
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.drop("the server asked to switch protocols")
        except httptools.HttpParserError as error:
            self.drop(f"not HTTP: {str(error)[:200]}")
        if self._complete:
            self._finish(at)
        elif not self._head_done and self._head_bytes > MAX_HEADERS:
            self.drop("the header section is too large")
        elif self._wire_bytes > MAX_WIRE:
            self.drop(f"the response is larger than {MAX_WIRE} bytes")
        elif self.pool.streaming and self._fresh:
            self._chunks.append((at, b"".join(self._fresh)))
            self._fresh = []

    def eof_received(self) -> None:
        """Half-closed connections are of no use: let the transport close."""

    def connection_lost(self, exc: Exception | None) -> None:
        at = time.perf_counter()
        self.closed = True
        self._parser = (
            None  # it holds on to us: without this, a circle that only the collector could free
        )
        flight = self.flight
        if flight is not None:
            if self._head_done and exc is None and self._until_close():
                self._keep = False
                self._finish(at)
            elif not self._first_at and self.pool.may_be_stale(self, flight):
                self.flight = flight.connection = None
                self.pool.again(flight)
            else:
                where = "in the middle" if self._head_done else "without a response"
                self.drop(f"the connection was closed {where}")
        self.pool.gone(self)

    # -- httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if len(self._headers) > MAX_HEADER_COUNT:
            self.drop("too many headers")

    def on_headers_complete(self) -> None:
        if self._complete or self._parser is None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._headers = []  # an interim answer; the real one follows
            return
        self._head_done = True
        self._status = status
        if self.flight is not None and self.flight.request.method == "HEAD":
            self._complete = self._surplus = True  # the parser would wait for a body

    def on_body(self, piece: bytes) -> None:
        if self.closed:
            return
        size = len(piece)
        self._size += size
        self.pool.held += size
        if self._size > MAX_BODY:
            self.drop(f"the body is larger than {MAX_BODY} bytes")
        elif self.pool.full():
            self.drop("the answers under way are together larger than the load generator can hold")
        elif not self._complete:
            self._fresh.append(piece)

    def on_message_complete(self) -> None:
        if self._head_done and not self._complete and self._parser is not None:
            self._complete = True
            self._keep = bool(self._parser.should_keep_alive())

    # -- inside

    def _reset(self) -> None:
        """Ready for the next answer. The lists go to the answer, so they are made anew."""
        self._head_bytes = self._wire_bytes = self._status = self._size = 0
        self._first_at = 0.0
        self._head_done = self._complete = self._surplus = self._keep = False
        self._headers, self._fresh, self._chunks = [], [], []

    def _let_go(self) -> None:
        """Give back what this connection held of the pool's memory."""
        self.pool.held -= self._size
        self._size = 0
        self._fresh, self._chunks = [], []

    def _until_close(self) -> bool:
        """Whether the end of the connection is the end of the body: neither a length nor chunks
        were announced.
        """
        named = {name.lower(): value for name, value in self._headers}
        coding = named.get(b"transfer-encoding", b"").decode("latin-1")
        return b"content-length" not in named and not is_chunked(coding)

    def _finish(self, at: float) -> None:
        flight, self.flight = self.flight, None
        pool, first_at = self.pool, self._first_at
        body, chunks = b"".join(self._fresh), self._chunks
        self._let_go()
        if pool.streaming:
            if body:
                chunks.append((at, body))
            body = b"".join(piece for _, piece in chunks)
        answer = Answer(self._status, self._headers, body, chunks)
        surplus, keep = self._surplus, self._keep
        self._reset()
        self.quiet_since = at
        if (
            flight is not None
        ):  # None when it was dropped in the middle of the bytes that completed it
            pool.answered(flight, answer, first_at, at)
        if surplus or not keep or self.closed:
            self.drop()
        else:
            pool.free(self)
