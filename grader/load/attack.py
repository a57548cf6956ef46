"""The open-loop attack: every request is sent when it is due, whatever became of the ones before
it.

Latency counts from the scheduled send, so a server that stalls can't hide the queue it causes.
Requests that find no free connection wait for one; none is dropped. An attack takes one core at
most and no more memory than its samples and the answers under way.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from grader.load.alarm import Alarm
from grader.load.connection import Flight
from grader.load.metrics import Samples
from grader.load.pacer import Schedule
from grader.load.pool import Pool, Side
from grader.load.quiet import quiet_collector
from grader.load.recorder import Recorder
from grader.load.streams import IsToken, is_token
from grader.load.targeter import Request

LEAD_S = 0.02
"""The first request is due so long after the start, so that it is not late already."""
BURST = 32
"""So many overdue requests are sent in a row before answers are looked at again."""
MAX_CONNECTIONS = 1024


async def attack(
    sides: Sequence[Side],
    schedule: Schedule,
    requests: Callable[[int], Request],
    *,
    connections: int = 8,
    timeout_s: float = 10,
    streaming: bool = False,
    side_of: Callable[[int], int] | None = None,
    max_connections: int = MAX_CONNECTIONS,
    is_token: IsToken = is_token,
) -> Samples:
    """Send ``requests(i)`` at ``schedule.offsets[i]`` to ``sides[side_of(i)]`` and measure each.

    ``side_of`` alternates between the sides unless given. ``connections`` are opened to each side
    beforehand, more
    as they are needed, up to ``max_connections`` a side. A request without a complete answer
    ``timeout_s`` after it
    was due has failed. ``streaming`` notes the arrival of every token: data events for which
    ``is_token`` holds.

    Never raises for what the other side does. What ``requests`` or a validation raises is raised
    again at the end.
    """
    run = Attack(
        sides,
        schedule.offsets,
        requests,
        timeout_s=timeout_s,
        streaming=streaming,
        side_of=side_of,
        max_connections=max_connections,
        is_token=is_token,
    )
    try:
        await run.warm(connections)
        with quiet_collector():
            run.begin()
            await run.finished
    finally:
        run.close()
    return run.samples()


class Attack:
    """One attack as it runs. ``finished`` is done when everything that was due is over."""

    def __init__(
        self,
        sides: Sequence[Side],
        offsets: Iterable[float],
        requests: Callable[[int], Request],
        *,
        timeout_s: float,
        streaming: bool = False,
        side_of: Callable[[int], int] | None = None,
        max_connections: int = MAX_CONNECTIONS,
        is_token: IsToken = is_token,
    ) -> None:
        count = len(sides)
        self._offsets: Iterator[float] = iter(offsets)
        self._requests = requests
        self._side_of = side_of or (lambda index: index % count)
        self._timeout_s = timeout_s
        self._recorder = Recorder(streaming=streaming, is_token=is_token)
        self._pools = [
            Pool(
                side,
                self._recorder,
                streaming=streaming,
                limit=max_connections,
                timeout_s=timeout_s,
            )
            for side in sides
        ]
        self._flights: deque[Flight] = deque()
        self._next: Flight | None = None
        self._sent = 0
        self._alarm = Alarm(self._fire)
        self._loop = asyncio.get_running_loop()
        self._tick: asyncio.TimerHandle | None = None
        self.finished: asyncio.Future[None] = self._loop.create_future()

    # -- called by whoever runs the attack

    async def warm(self, connections: int) -> None:
        """Open connections to every side. Nothing is raised when a side refuses."""
        for pool in self._pools:
            await pool.warm(connections)

    def begin(self) -> None:
        """Start the clock."""
        self._recorder.start = time.perf_counter() + LEAD_S
        self._prepare()
        self._watch()
        self._rearm()

    def stop(self) -> None:
        """Send nothing more; ``finished`` comes when what is under way is over."""
        self._next = None
        self._offsets = iter(())

    def close(self) -> None:
        """Hang up on everything and give all descriptors back."""
        self._alarm.close()
        if self._tick is not None:
            self._tick.cancel()
        for pool in self._pools:
            pool.close()

    def now(self) -> float:
        """Seconds since the start of the load."""
        return time.perf_counter() - self._recorder.start

    def samples(self) -> Samples:
        """What is measured so far. Raises what a validation raised."""
        if self._recorder.problem is not None:
            raise self._recorder.problem
        return self._recorder.samples()

    # -- inside

    def _prepare(self) -> None:
        """Make the next request ready before it is due."""
        offset = next(self._offsets, None)
        if offset is None:
            self._next = None
            return
        index = self._sent
        side = self._side_of(index)
        request, pool = self._requests(index), self._pools[side]
        wire = request.wire(side, pool.side.name, pool.side.headers)
        self._next = Flight(index, side, self._recorder.start + offset, request, wire)

    def _fire(self) -> None:
        """Send everything that is due. Called by the alarm."""
        try:
            for _ in range(BURST):
                flight = self._next
                if flight is None or flight.due > time.perf_counter():
                    break
                self._launch(flight)
                self._prepare()
        except Exception as problem:  # what ``requests`` raised
            self._recorder.problem = self._recorder.problem or problem
        if self._recorder.problem is not None:
            self.stop()
        self._rearm()

    def _launch(self, flight: Flight) -> None:
        self._sent += 1
        if self._pools[flight.side].submit(flight):
            lag_s = flight.sent - flight.due
        else:
            lag_s = time.perf_counter() - flight.due
        self._recorder.due(flight, lag_s)
        flights = self._flights
        flights.append(flight)
        while flights and flights[0].over:
            flights.popleft()

    def _rearm(self) -> None:
        if self._next is not None:
            self._alarm.at(self._next.due)

    def _watch(self) -> None:
        """Time out what is overdue, and notice the end.

        Runs at intervals: a timeout need not be exact.
        """
        now = time.perf_counter()
        flights = self._flights
        while flights and (flights[0].over or flights[0].due + self._timeout_s <= now):
            flight = flights.popleft()
            if not flight.over:
                self._pools[flight.side].expire(
                    flight, f"no complete answer within {self._timeout_s:g} s"
                )
        if self._next is None and not self._recorder.under_way:
            if not self.finished.done():
                self.finished.set_result(None)
            return
        self._tick = self._loop.call_later(min(0.02, self._timeout_s / 10), self._watch)
