"""The connections of one attack to one party.

The pool grows; when it can't, requests wait, none is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections import deque
from functools import partial
from typing import Any, Protocol

from grader.load.connection import Connection, Flight
from grader.load.targeter import Answer

MAX_HELD = 128 << 20
"""Bytes of unfinished bodies that one pool holds; the sender chooses how slowly they come."""
STALE_AFTER_S = 1.5
"""A connection that was quiet for so long may be closed by the server at the very moment it is used
again, and every client then tries once more. One that was busy may not: a request cut off under
load is a failed request.
"""


class Side(Protocol):
    """The part of a Target that load needs."""

    name: str
    host: str
    port: int
    headers: dict[str, str]


class Results(Protocol):
    """Who hears how the flights ended, each exactly once."""

    def right_or_wrong(
        self, flight: Flight, answer: Answer, first_at: float, at: float
    ) -> None: ...

    def failed(self, flight: Flight, error: str) -> None: ...


class Pool:
    """All methods run in the loop's thread; none waits, except ``open`` and ``warm``."""

    def __init__(
        self, side: Side, results: Results, *, streaming: bool, limit: int, timeout_s: float
    ) -> None:
        self.side, self.results, self.streaming = side, results, streaming
        self.limit = max(1, min(limit, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
        self.timeout_s = timeout_s
        self.held = 0
        self._addresses: list[tuple[int, Any]] = []
        self._idle: deque[Connection] = deque()
        self._waiting: deque[Flight] = deque()
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()

    # -- called by the attack

    async def warm(self, connections: int) -> None:
        """Look up the address once and open so many connections.

        A party that refuses, or whose queue is full, is left for the attack to see.
        """
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            found = await loop.getaddrinfo(self.side.host, self.side.port, type=socket.SOCK_STREAM)
            self._addresses = [(family, address) for family, _, _, _, address in found]
        for _ in range(min(connections, self.limit)):
            try:
                async with asyncio.timeout(self.timeout_s):
                    self._idle.append(await self._connect())
            except OSError:  # a timeout is one
                return

    def submit(self, flight: Flight) -> bool:
        """Send now if a connection is free; else queue. Returns whether it was sent."""
        idle = self._idle
        while idle:
            connection = idle.popleft()
            if connection.usable():
                connection.send(flight)
                return True
            connection.drop()
        self._waiting.append(flight)
        self._grow()
        return False

    def expire(self, flight: Flight, error: str) -> None:
        """Hang up on a flight whose time is over.

        One that still waits for a connection is passed over later.
        """
        if flight.connection is not None:
            flight.connection.drop(error)
        self.results.failed(flight, error)

    def close(self) -> None:
        """Drop everything."""
        for task in self._opening:
            task.cancel()
        self._waiting.clear()
        for connection in list(self._all):
            connection.drop()

    # -- called by the connections

    def free(self, connection: Connection) -> None:
        """The connection has nothing to do."""
        flight = self._longest()
        if flight is None:
            self._idle.append(connection)
        elif connection.usable():
            self._waiting.popleft()
            connection.send(flight)
        else:
            connection.drop()

    def gone(self, connection: Connection) -> None:
        self._all.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._grow()

    def answered(self, flight: Flight, answer: Answer, first_at: float, at: float) -> None:
        self.results.right_or_wrong(flight, answer, first_at, at)

    def broke(self, flight: Flight, error: str) -> None:
        self.results.failed(flight, error)

    def full(self) -> bool:
        return self.held > MAX_HELD

    def may_be_stale(self, connection: Connection, flight: Flight) -> bool:
        return not flight.retried and flight.sent - connection.quiet_since > STALE_AFTER_S

    def again(self, flight: Flight) -> None:
        """Send it once more, on a connection of its own."""
        flight.retried = True
        self._waiting.appendleft(flight)
        self._grow()

    # -- inside

    def _longest(self) -> Flight | None:
        """Who waits longest, still in the queue."""
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    def _grow(self) -> None:
        self._longest()
        while (
            len(self._opening) < len(self._waiting)
            and len(self._all) + len(self._opening) < self.limit
        ):
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            task.result()
            self._grow()

    async def _open(self) -> None:
        """Open one more connection for whoever waits longest, who fails when that is refused."""
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await self._connect()
        except TimeoutError:
            return  # by now the flight's own time is over too
        except OSError as error:
            self._refuse(f"could not connect: {error.strerror or error}")
            return
        if connection.usable():
            self.free(connection)
        else:
            connection.drop()
            self._refuse("the connection was closed without a response")

    def _refuse(self, error: str) -> None:
        flight = self._longest()
        if flight is not None:
            self._waiting.popleft()
            self.broke(flight, error)

    async def _connect(self) -> Connection:
        """Raises OSError when no address answers."""
        loop, problem = asyncio.get_running_loop(), "the name could not be resolved"
        for family, address in self._addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, address)
                _, connection = await loop.create_connection(
                    partial(Connection, self, sock), sock=sock
                )
            except OSError as error:
                # Its text only: an exception kept in a variable is a circle, and nothing collects
                # circles now.
                problem = os.strerror(error.errno) if error.errno else str(error)
                sock.close()
                continue
            except BaseException:
                sock.close()
                raise
            self._all.add(connection)
            return connection
        raise OSError(0, problem)
