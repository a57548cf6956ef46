"""What the load generator itself can do, here and now: an attack on an echo target in the same
process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from grader.http.client import Target
from grader.load.attack import attack
from grader.load.metrics import Samples, percentile
from grader.load.pacer import constant
from grader.load.targeter import Answer, Request

RATES: tuple[float, ...] = (1000, 2000, 4000, 8000, 12000, 16000, 24000)
SECONDS = 0.3
TRIES = 3
"""A busy machine may stall for a moment; only what fails every time is out of reach."""
BODY = b'{"text": "the quick brown fox jumps over the lazy dog"}'


@dataclass(frozen=True, slots=True)
class Calibration:
    """The client's limits.

    ``rate`` is a lower bound: the echo target takes a part of the same core.
    """

    rate: float
    """The highest rate (requests per second) that was kept, every answer right and the client in
    time; 0 if none.
    """
    lag_p50_s: float
    """Scheduling error at the lowest rate."""
    lag_p99_s: float

    def allows(self, rate: float) -> bool:
        """Whether a rate leaves the client half of its time unused."""
        return rate <= self.rate / 2


async def calibrate(rates: Sequence[float] = RATES, seconds: float = SECONDS) -> Calibration:
    """Try the rates in ascending order until one can't be kept.

    Takes about ``len(rates) x seconds``.
    """
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    target = Target("echo", "127.0.0.1", server.sockets[0].getsockname()[1])
    kept, lag = 0.0, (float("inf"), float("inf"))
    try:
        for rate in rates:
            samples = await _try(target, rate, seconds)
            if rate == rates[0]:
                lag = (percentile(samples.lag_s, 50), percentile(samples.lag_s, 99))
            if not _kept(samples):
                break
            kept = rate
    finally:
        server.close()
        await server.wait_closed()
    return Calibration(kept, *lag)


async def _try(target: Target, rate: float, seconds: float) -> Samples:
    """The first attack that holds, or the last one."""
    request = Request("POST", "/echo", BODY, validate=_echoed)
    for _ in range(TRIES):
        samples = await attack(
            [target], constant(rate, seconds), lambda _index: request, max_connections=64
        )
        if _kept(samples):
            break
    return samples


def _kept(samples: Samples) -> bool:
    return not samples.errors() and not samples.client_was_late()


def _echoed(answer: Answer) -> str:
    return "" if answer.status == 200 and answer.body == BODY else "not what was sent"


class _Echo(asyncio.Protocol):
    """Answers every request with its body. Knows only the one request that calibration sends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0 and len(self._buffer) >= end + 4 + len(
            BODY
        ):
            body = self._buffer[end + 4 : end + 4 + len(BODY)]
            self._buffer = self._buffer[end + 4 + len(BODY) :]
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)  # type: ignore[attr-defined]
