"""Load that goes on while something else happens, e.g. while faults are injected."""

from __future__ import annotations

import asyncio
import itertools
import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from grader.load.attack import MAX_CONNECTIONS, Attack
from grader.load.metrics import Samples
from grader.load.pacer import Schedule, poisson_offsets
from grader.load.pool import Side
from grader.load.quiet import quiet_collector
from grader.load.streams import IsToken, is_token
from grader.load.targeter import Request


class Background:
    """``async with Background(target, 50, requests) as load``: the load runs inside the block, and
    ends with it.

    ``load``: a Schedule, or a rate in requests per second that goes on until the block ends
    (evenly, or as Poisson
    arrivals when ``rng`` is given). On leaving, nothing more is sent and what is under way is
    awaited (at most
    ``timeout_s``). Afterwards ``samples`` is complete.
    """

    def __init__(
        self,
        target: Side | Sequence[Side],
        load: Schedule | float,
        requests: Callable[[int], Request],
        *,
        connections: int = 8,
        timeout_s: float = 10,
        streaming: bool = False,
        side_of: Callable[[int], int] | None = None,
        rng: random.Random | None = None,
        max_connections: int = MAX_CONNECTIONS,
        is_token: IsToken = is_token,
    ) -> None:
        self._sides = list(target) if isinstance(target, Sequence) else [target]
        self._offsets = _offsets(load, rng)
        self._requests, self._connections = requests, connections
        self._timeout_s, self._streaming, self._side_of = timeout_s, streaming, side_of
        self._max_connections, self._is_token = max_connections, is_token
        self._quiet = quiet_collector()
        self._attack: Attack | None = None

    async def __aenter__(self) -> Background:
        self._attack = Attack(
            self._sides,
            self._offsets,
            self._requests,
            timeout_s=self._timeout_s,
            streaming=self._streaming,
            side_of=self._side_of,
            max_connections=self._max_connections,
            is_token=self._is_token,
        )
        self._quiet.__enter__()
        try:
            await self._attack.warm(self._connections)
            self._attack.begin()
        except BaseException:
            self._attack.close()
            self._quiet.__exit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                await self.stop()
        finally:
            self._running.close()
            self._quiet.__exit__(None, None, None)

    async def stop(self) -> Samples:
        """Send nothing more, wait for what is under way, return everything."""
        self._running.stop()
        # shielded: whoever cancels the waiting must not cancel the future that others wait for
        await asyncio.shield(self._running.finished)
        return self.samples

    @property
    def samples(self) -> Samples:
        """The requests that are over by now. Raises what a validation raised."""
        return self._running.samples()

    def now(self) -> float:
        """Seconds since the load began: the clock of ``Samples.due``."""
        return self._running.now()

    @property
    def _running(self) -> Attack:
        if self._attack is None:
            raise RuntimeError("the load has not begun: use 'async with'")
        return self._attack


def _offsets(load: Schedule | float, rng: random.Random | None) -> array[float] | Iterable[float]:
    if isinstance(load, Schedule):
        return load.offsets
    if not load > 0:
        raise ValueError(f"a rate is above 0, got {load:g}")
    return poisson_offsets(load, rng) if rng is not None else (i / load for i in itertools.count())
