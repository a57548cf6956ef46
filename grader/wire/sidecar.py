"""The typed JSON lines between engine and an interactive sidecar, over the sidecar's stdin and
stdout.

Down: Start, then Commands. Up: Ready, then one CommandReply for each Command, in order.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from grader.result import Frozen, Told

MAX_LINE = 1 << 20
"""Bytes of one line, in both directions."""


class SidecarStart(Frozen):
    """The engine's first line. ``config`` is the sidecar's own to validate."""

    type: Literal["start"] = "start"
    seed: str
    name: str
    port: int = Field(ge=1, le=65535)
    config: dict[str, Any] = {}


class Ready(Frozen):
    """The sidecar listens on its port."""

    type: Literal["ready"] = "ready"


class Command(Frozen):
    """Something that the sidecar's own kind knows.

    ``payload`` may be anything: only the kind can tell.
    """

    type: Literal["command"] = "command"
    id: int
    payload: Any = None


class CommandReply(Told):
    """The answer to the command with this id; ``error`` says why it could not be carried out."""

    type: Literal["reply"] = "reply"
    id: int | None
    ok: bool
    data: dict[str, Any] = {}
    error: str = ""
