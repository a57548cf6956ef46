"""The probe's end of the line: reads typed lines from stdin, writes them to stdout, matches replies
to requests.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import traceback
from typing import Any

from pydantic import BaseModel

from grader.wire.control import ControlError, reply_of, request
from grader.wire.probe import DOWN, Control, Down, Fault, Reply

MAX_LINE = 32 << 20


class Wire:
    """Send events up, ask for control, and receive what comes down."""

    def __init__(self, reader: asyncio.StreamReader, out_fd: int) -> None:
        self._reader = reader
        self._out_fd = out_fd
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._inbox: asyncio.Queue[Down] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    @classmethod
    async def over_stdio(cls) -> Wire:
        """Take stdin and stdout; whatever else prints goes to stderr from now on, so it can't
        garble the line.
        """
        out_fd = os.dup(1)
        os.dup2(2, 1)
        reader = asyncio.StreamReader(limit=MAX_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        wire = cls(reader, out_fd)
        wire._pump = asyncio.create_task(wire._read())
        return wire

    async def _read(self) -> None:
        try:
            await self._take_lines()
        except Exception:
            # Without this the probe would wait for ever for what it could not read.
            self.send(Fault(message=traceback.format_exc()[-4000:]))
            os._exit(1)

    async def _take_lines(self) -> None:
        while line := await self._reader.readline():
            message = DOWN.validate_json(line)
            if isinstance(message, Reply):
                future = self._waiting.pop(message.id, None)
                if future is not None and not future.done():
                    future.set_result(message)
            else:
                self._inbox.put_nowait(message)
        os._exit(0)  # the engine hung up: nobody is left to report to

    async def receive(self) -> Down:
        """The next message that is not a reply."""
        return await self._inbox.get()

    def send(self, message: BaseModel) -> None:
        """Write one line. Blocks while the pipe is full, which is the engine's back-pressure."""
        data = message.model_dump_json().encode() + b"\n"
        while data:
            data = data[os.write(self._out_fd, data) :]

    async def control(self, action: str, party: str, args: dict[str, Any]) -> dict[str, Any]:
        """Ask the engine side and wait for its reply. Raises ControlError."""
        asked = request(action, party, args)
        number = next(self._ids)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self.send(Control(id=number, request=asked))
        reply = await future
        if not reply.ok:
            raise ControlError(f"{action} {party}: {reply.error}")
        return reply_of(asked, reply.data)
