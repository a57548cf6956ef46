"""Small servers for the load generator's tests: raw sockets, this process, answers as the test
wants them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grader.http.client import Target


@dataclass
class Seen:
    """One request as it arrived."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def header_names(self) -> list[str]:
        return [line.split(b":")[0].decode() for line in self.head.split(b"\r\n")[1:] if line]


Write = Callable[[bytes], None]
Handle = Callable[[Seen, asyncio.StreamWriter], Awaitable[bool | None]]


@dataclass
class Served:
    target: Target
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serving(
    handle: Handle, *, headers: dict[str, str] | None = None
) -> AsyncIterator[Served]:
    """Serve until the block ends.

    ``handle`` writes the answer; when it returns False the connection is closed.
    """
    served = Served(Target("app", "127.0.0.1", 0, headers))
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        served.connections += 1
        try:
            while True:
                seen = await _read(reader)
                served.seen.append(seen)
                if await handle(seen, writer) is False:
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024)
    served.target.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await served.target.close()


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (
            int(x.split(b":")[1])
            for x in head.split(b"\r\n")
            if x.lower().startswith(b"content-length")
        ),
        0,
    )
    return Seen(head, await reader.readexactly(length))


def answer(body: bytes = b"hi", status: str = "200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
        status.encode(),
        len(body),
        more,
        body,
    )


def always(data: bytes, *, close: bool = False) -> Handle:
    """Every request gets these bytes."""

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        await writer.drain()
        return not close

    return handle


def port_nobody_listens_on() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
