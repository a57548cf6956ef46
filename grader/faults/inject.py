"""Injecting faults through the engine and the model gateways, with a mark on the run's timeline for
each.

Every fault is undone when its block is left, whatever happens inside: later criteria must find a
whole pod.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from grader.checks.base import Context
from grader.result import Mark


class Faults:
    """``clock``: seconds on the timeline of the load, usually ``Background.now``.

    ``marks``: what was injected.
    """

    def __init__(self, ctx: Context, clock: Callable[[], float]) -> None:
        self._ctx, self._clock = ctx, clock
        self.marks: list[Mark] = []

    @asynccontextmanager
    async def injected(
        self, text: str, undo: Callable[[], Awaitable[Any]] | None = None
    ) -> AsyncIterator[None]:
        """Mark the time inside the block with ``text`` and undo the fault at its end."""
        began = self._clock()
        try:
            yield
        finally:
            # The fault ends when its undoing has happened, not when it was asked for.
            try:
                if undo is not None:
                    await undo()
            finally:
                self.marks.append(
                    Mark(start_s=round(began, 3), end_s=round(self._clock(), 3), text=text)
                )

    @asynccontextmanager
    async def killed(self, party: str, text: str = "") -> AsyncIterator[None]:
        """SIGKILL for a service or a sidecar; started again at the end. /data survives, nothing
        else.
        """
        async with self.injected(
            text or f"{party} killed", lambda: self._ctx.control("restart", party)
        ):
            await self._ctx.control("signal", party, signal="SIGKILL")
            yield

    @asynccontextmanager
    async def stopped(
        self, party: str, grace_s: float, text: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """SIGTERM and, when the grace is over, SIGKILL; yields the state at the end.

        Started again afterwards.
        """
        async with self.injected(
            text or f"{party} stopped", lambda: self._ctx.control("restart", party)
        ):
            yield await self._ctx.control("stop", party, grace_s=grace_s)

    @asynccontextmanager
    async def paused(self, party: str, text: str = "") -> AsyncIterator[None]:
        """Frozen: connections stay open and nothing answers, as with a machine that swaps."""
        async with self.injected(
            text or f"{party} hangs", lambda: self._ctx.control("unpause", party)
        ):
            await self._ctx.control("pause", party)
            yield

    @asynccontextmanager
    async def full_disk(self, party: str, text: str = "") -> AsyncIterator[None]:
        """No space left in /data. What the party itself deletes meanwhile is its own to use."""
        async with self.injected(
            text or f"{party} has a full disk", lambda: self._ctx.control("free_data", party)
        ):
            await self._ctx.control("fill_data", party)
            yield

    @asynccontextmanager
    async def memory_pressure(
        self, party: str, memory_mb: int, normal_mb: int, text: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """A lower memory limit; yields {held}, False when the party uses more than that and nothing
        was changed.
        """

        async def limit(megabytes: int) -> dict[str, Any]:
            return await self._ctx.control("limit_memory", party, memory_mb=megabytes)

        async with self.injected(
            text or f"{party} has {memory_mb} MB left", lambda: limit(normal_mb)
        ):
            yield await limit(memory_mb)

    @asynccontextmanager
    async def clock(self, party: str, text: str, **state: Any) -> AsyncIterator[None]:
        """A ``clock`` sidecar ahead (``offset_s=3600``) or standing still (``rate=0``); right again
        at the end.
        """

        async def send(payload: dict[str, Any]) -> None:
            await self._ctx.control("command", party, payload={"command": "clock", **payload})

        async with self.injected(text, lambda: send({})):
            await send(state)
            yield

    async def restarted(self, party: str, text: str = "") -> None:
        """Stopped hard and started, at once."""
        async with self.injected(text or f"{party} restarted"):
            await self._ctx.control("restart", party)

    @asynccontextmanager
    async def link(self, proxy: str, text: str, **state: Any) -> AsyncIterator[None]:
        """The state of a fault proxy's link, e.g.

        ``latency_ms=200``, ``stalled=True``, ``cut=True``.
        """

        async def send(payload: dict[str, Any]) -> None:
            await self._ctx.control("command", proxy, payload={"command": "link", **payload})

        async with self.injected(text, lambda: send({})):
            await send(state)
            yield

    @asynccontextmanager
    async def gateway(
        self, party: str, rules: list[dict[str, Any]], text: str
    ) -> AsyncIterator[None]:
        """A fault schedule of a model gateway: errors, rate limits, hangs, slow tokens, cut
        streams.
        """

        async def send(schedule: list[dict[str, Any]]) -> None:
            await self._ctx.control(
                "command", party, payload={"command": "faults", "rules": schedule}
            )

        async with self.injected(text, lambda: send([])):
            await send(rules)
            yield
