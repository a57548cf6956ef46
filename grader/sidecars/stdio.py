"""The line protocol of interactive sidecars over stdin and stdout: a start line, then commands with
replies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from grader.wire.sidecar import MAX_LINE, Command, CommandReply, Ready, SidecarStart


class Stdio:
    """Whatever else prints goes to stderr from now on, so that it can't garble the protocol."""

    def __init__(self, lines: asyncio.StreamReader, out_fd: int) -> None:
        self._lines, self._out_fd = lines, out_fd

    @classmethod
    async def open(cls) -> Stdio:
        out_fd = os.dup(1)
        os.dup2(2, 1)
        lines = asyncio.StreamReader(limit=MAX_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        return cls(lines, out_fd)

    async def start_line(self) -> SidecarStart:
        """The first line. Raises ValueError (of pydantic) for anything else."""
        return SidecarStart.model_validate_json(await self._lines.readline())

    async def serve(self, obey: Callable[[Any], dict[str, Any]]) -> None:
        """Say ready, then answer commands until stdin ends.

        ``obey`` raises ValueError for what it can't do.
        """
        self._write(Ready())
        while line := await self._lines.readline():
            self._write(reply_to(obey, line))

    def _write(self, message: Ready | CommandReply) -> None:
        """One line. Blocks while the pipe is full: the engine reads what it asks for."""
        data = message.model_dump_json().encode() + b"\n"
        while data:
            data = data[os.write(self._out_fd, data) :]


def reply_to(obey: Callable[[Any], dict[str, Any]], line: bytes) -> CommandReply:
    """The answer to a line. Never raises: a bad line gets an answer that says what is wrong."""
    number: int | None = None
    try:
        command = Command.model_validate_json(line)
        number = command.id
        return CommandReply(id=number, ok=True, data=obey(command.payload))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:3]
        text = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong)
    except (ValueError, RecursionError) as error:
        text = str(error)
    return CommandReply(id=number, ok=False, error=text[:1000])
