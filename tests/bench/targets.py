"""Servers whose latency is known:

``python targets.py`` in the probe image. Raw asyncio, exact timers, one process.

GET /fast      at once GET /fixed     after 20 ms GET /bimodal   92 of 100 after 5 ms, 8 after 200
ms, spread evenly GET /stall     after 5 ms; from the ninth to the eleventh second after the first
request nothing is answered GET /stream    server-sent events: the first after 80 ms, then one every
25 ms, 40 in all GET /restart   forgets what was counted, so that the next /stall stalls again

Prints its port. Waiting starts when the request arrives; how late an answer is written is printed
at the end.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import uvloop

from grader.load.alarm import Alarm

FIXED_S, FAST_S, SLOW_S = 0.020, 0.005, 0.200
SLOW_OF_25 = (4, 17)
STALL_S = (9.0, 11.0)
FIRST_S, GAP_S, TOKENS = 0.080, 0.025, 40
BODY = json.dumps({"label": "positive", "score": 0.9731}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Timers:
    """Many deadlines on one exact alarm."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._alarm = Alarm(self._ring)

    def at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), call))
        if self._due[0][0] == when:
            self._alarm.at(when)

    def _ring(self) -> None:
        while self._due and self._due[0][0] <= time.perf_counter():
            heapq.heappop(self._due)[2]()
        if self._due:
            self._alarm.at(self._due[0][0])


class State:
    """What the paths count."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.restart()

    def restart(self) -> None:
        self.bimodal = itertools.count()
        self.stall_began = 0.0

    def due(self, path: bytes, now: float) -> float:
        """When to answer a request that arrived now."""
        if path == b"/fixed":
            return now + FIXED_S
        if path == b"/bimodal":
            return now + (SLOW_S if next(self.bimodal) % 25 in SLOW_OF_25 else FAST_S)
        if path == b"/stall":
            self.stall_began = self.stall_began or now
            begin, end = (self.stall_began + at for at in STALL_S)
            return end if begin <= now + FAST_S < end else now + FAST_S
        return now


class Connection(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self.state, self.buffer = state, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self.buffer:
            data = self.buffer + data
        *heads, self.buffer = data.split(b"\r\n\r\n")
        for head in heads:
            self.answer(head.split(b" ", 2)[1], now)

    def answer(self, path: bytes, now: float) -> None:
        if path == b"/fast":
            self.transport.write(ANSWER)
        elif path == b"/stream":
            self.transport.write(STREAM)
            self.stream(0, now + FIRST_S)
        else:
            if path == b"/restart":
                self.state.restart()
            self.state.timers.at(self.state.due(path, now), lambda: self.transport.write(ANSWER))

    def stream(self, number: int, due: float) -> None:
        def token() -> None:
            event = b'data: {"token": %d}\n\n' % number
            last = number == TOKENS - 1
            self.transport.write(
                b"%x\r\n%b\r\n" % (len(event), event) + (b"0\r\n\r\n" if last else b"")
            )
            if not last and not self.transport.is_closing():
                self.stream(number + 1, due + GAP_S)

        self.state.timers.at(due, token)


async def main() -> None:
    state = State(Timers())
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(state), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
