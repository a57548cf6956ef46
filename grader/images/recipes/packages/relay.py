"""Runs in the holder of a build: carries bytes from ports on loopback to the unix sockets of the
package proxy.

``relay.py LIMIT ADDRESS:PORT=SOCKET ...``. All connections together read at most LIMIT bytes; after
that each gets
a short answer that says so. Nothing is parsed: what a build sends is the proxy's to judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

CHUNK = 64 << 10
CONNECTIONS = 64
IDLE_S = 120.0
TRIES = 50
SAID = "used up"
"""Read by the builder when a build fails: the client's own words are about broken connections."""
USED_UP = (
    b"HTTP/1.1 509 Limit of packages reached\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Relay:
    """``left``: bytes that the build may still read."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.places = asyncio.Semaphore(CONNECTIONS)

    async def serve(
        self, socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection of the build, until either side is done."""
        try:
            async with self.places:
                if self.left <= 0:
                    writer.write(USED_UP)
                    await writer.drain()
                    return
                from_proxy, to_proxy = await _connected(socket)
                up = asyncio.create_task(self._carry(reader, to_proxy, counted=False))
                try:
                    await self._carry(from_proxy, writer, counted=True)
                finally:
                    up.cancel()
                    to_proxy.close()
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        while data := await asyncio.wait_for(source.read(CHUNK), IDLE_S):
            if counted:
                if self.left > 0 >= self.left - len(data):
                    print(SAID, flush=True)
                self.left -= len(data)
                if self.left < 0:
                    return
            target.write(data)
            await target.drain()
        if not counted and target.can_write_eof():
            target.write_eof()


async def _connected(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The proxy may be starting anew: its socket is waited for."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return await asyncio.open_unix_connection(socket)
        await asyncio.sleep(0.1)
    return await asyncio.open_unix_connection(socket)


async def main(limit: int, ways: list[str]) -> None:
    """Listen on every address, and say so with one line once all are there."""
    relay = Relay(limit)
    for way in ways:
        address, _, socket = way.partition("=")
        host, _, port = address.rpartition(":")

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: str = socket
        ) -> None:
            await relay.serve(socket, reader, writer)

        await asyncio.start_server(serve, host, int(port), backlog=256)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
