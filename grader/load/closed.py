"""Closed-loop throughput: so many clients, each of which sends its next request when the last one
was answered.

The one exception to the open loop (docs/grading.md, 'Noise'): it asks how much a system gets done,
not how long anybody waits. Two systems are compared in short alternating slices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from grader.load.connection import Flight
from grader.load.pool import Pool, Side
from grader.load.quiet import quiet_collector
from grader.load.targeter import Answer, Request, is_unanswered, succeeded


class Wrong(NamedTuple):
    """The first request that failed: its number, and what was wrong."""

    number: int
    said: str
    unanswered: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """``right`` answers in ``seconds`` (until the last one came)."""

    right: int
    seconds: float
    wrong: Wrong | None

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return self.right / self.seconds


class ClosedLoop:
    """Keeps its connections from slice to slice. Use as an async context manager."""

    def __init__(self, side: Side, clients: int, timeout_s: float = 30.0) -> None:
        self._clients, self._timeout_s = clients, timeout_s
        self._pool = Pool(side, self, streaming=False, limit=clients, timeout_s=timeout_s)
        self._side = side

    async def __aenter__(self) -> ClosedLoop:
        await self._pool.warm(self._clients)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.close()

    async def slice(self, requests: Callable[[int], Request], first: int, seconds: float) -> Slice:
        """Send ``requests(first)``, ``requests(first + 1)``, ... for ``seconds`` and wait for the
        answers under way.
        """
        self._requests, self._next = requests, first
        self._right, self._wrong, self._under_way = 0, None, 0
        self._problem: Exception | None = None
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        with quiet_collector():
            began = self._last = time.perf_counter()
            self._until = began + seconds
            for _ in range(self._clients):
                self._send()
            try:
                await asyncio.wait_for(self._done, seconds + self._timeout_s)
            except TimeoutError:
                said = f"no complete answer within {self._timeout_s:g} s"
                self._wrong = self._wrong or Wrong(self._next - 1, said, True)
        if self._problem is not None:
            raise self._problem
        return Slice(self._right, self._last - began, self._wrong)

    # -- called by the pool

    def right_or_wrong(self, flight: Flight, answer: Answer, first_at: float, at: float) -> None:
        del first_at
        try:
            wrong = (flight.request.validate or succeeded)(answer)
        except Exception as problem:  # ours: raised again at the end
            self._problem, wrong = problem, "the validation failed"
        if wrong:
            self.failed(flight, wrong, answer.status)
            return
        self._right += 1
        self._last = at
        self._over(flight)

    def failed(self, flight: Flight, error: str, status: int = 0) -> None:
        if not flight.over:
            self._wrong = self._wrong or Wrong(flight.index, error[:200], is_unanswered(status))
            self._over(flight)

    # -- inside

    _right: int
    _wrong: Wrong | None
    _under_way: int

    def _over(self, flight: Flight) -> None:
        flight.over, flight.connection = True, None
        self._under_way -= 1
        # Not at once: the connection is free only after this call.
        asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        if self._wrong is None and self._problem is None and time.perf_counter() < self._until:
            request = self._requests(self._next)
            wire = request.wire(0, self._side.name, self._side.headers)
            flight = Flight(self._next, 0, time.perf_counter(), request, wire)
            self._next += 1
            self._under_way += 1
            self._pool.submit(flight)
        elif self._under_way == 0 and not self._done.done():
            self._done.set_result(None)
