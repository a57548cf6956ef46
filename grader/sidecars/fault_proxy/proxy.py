"""The proxy itself. Bytes are never changed, never reordered, and held in bounded amounts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from pydantic import TypeAdapter

from grader.sidecars.fault_proxy.kind import Link, ProxyConfig

CHUNK = 16 << 10
HELD = 64
"""Chunks on their way per connection and direction: 1 MiB at most; then the sender has to wait."""
PACKET = 1448
RESEND_S, RESEND_OPENING_S, MOST_RESENDS = 0.2, 1.0, 6
"""Linux sends a packet again after 0.2 s at the least, the first one of a connection after 1 s, and
doubles that.
"""
_LINK: TypeAdapter[Link] = TypeAdapter(Link)


class Proxy:
    """``obey`` sets the link; ``start`` listens. ``rng`` decides the jitter."""

    def __init__(self, config: ProxyConfig, rng: random.Random) -> None:
        host, _, port = config.upstream.rpartition(":")
        self._upstream, self._limit, self._rng = (host, int(port)), config.max_connections, rng
        self.link = Link()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._total = 0
        self._bytes = 0
        self._lost = 0

    async def start(self, port: int) -> asyncio.Server:
        """Listen on all addresses of the pod."""
        return await asyncio.start_server(self._serve, "0.0.0.0", port, limit=CHUNK)  # noqa: S104

    def obey(self, payload: Any) -> dict[str, Any]:
        """``{"command":

        "link", ...}`` replaces the link's state, ``reset`` cuts once, ``stats`` counts.
        """
        command = payload.get("command") if isinstance(payload, dict) else None
        if command == "link":
            self._set(_LINK.validate_python({k: v for k, v in payload.items() if k != "command"}))
        elif command == "reset":
            self._reset()
        elif command != "stats":
            raise ValueError(
                f"there is no command {str(command)[:60]!r}; there are link, reset and stats"
            )
        return {
            "open": len(self._open) // 2,
            "connections": self._total,
            "bytes": self._bytes,
            "lost": self._lost,
        }

    def _set(self, link: Link) -> None:
        self.link = link
        if link.stalled:
            self._flowing.clear()
        else:
            self._flowing.set()
        if link.cut:
            self._reset()

    def _reset(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._total += 1
        if self.link.cut or len(self._open) >= 2 * self._limit:
            writer.transport.abort()
            return
        self._open.add(writer)
        behind: asyncio.StreamWriter | None = None
        try:
            await asyncio.sleep(self._resent_s(1, RESEND_OPENING_S))
            there, behind = await asyncio.open_connection(*self._upstream, limit=CHUNK)
            self._open.add(behind)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, behind))
                both.create_task(self._carry(there, writer))
        except* OSError:
            pass  # one side hung up in its own way; the other side is hung up on below
        finally:
            for side in (writer, behind):
                if side is not None:
                    self._open.discard(side)
                    side.transport.abort() if self.link.cut else side.close()

    def _resent_s(self, packets: int, wait_s: float) -> float:
        """How much later so many packets are complete because some were lost.

        What comes behind them waits, too.

        No byte of a TCP stream is ever missing: an application sees lost packets as a wait and as
        nothing else.
        """
        late_s = 0.0
        for _ in range(MOST_RESENDS):
            lost = (
                sum(self._rng.random() < self.link.loss for _ in range(packets))
                if self.link.loss
                else 0
            )
            if not lost:
                break
            self._lost += lost
            packets, late_s, wait_s = lost, late_s + wait_s, 2 * wait_s
        return late_s

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: a reader that notes when each chunk is due, and a writer that waits for
        it.
        """
        loop = asyncio.get_running_loop()
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)

        async def take() -> None:
            while True:
                data = await reader.read(CHUNK)
                delay_ms = self.link.latency_ms + self._rng.uniform(0, self.link.jitter_ms)
                late_s = self._resent_s(-(-len(data) // PACKET), RESEND_S)
                await held.put((loop.time() + delay_ms / 1000 + late_s, data))
                if not data:
                    return

        async def give() -> None:
            while True:
                due, data = await held.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._flowing.wait()
                if not data:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
                self._bytes += len(data)
                if self.link.bytes_per_s:
                    await asyncio.sleep(len(data) / self.link.bytes_per_s)

        async with asyncio.TaskGroup() as pair:
            pair.create_task(take())
            pair.create_task(give())
