"""The engine's ends of the lines to the probe and to sidecars.

Every wait is bounded and can be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from grader.engines.base import Channel
from grader.errors import RunCancelled, SandboxError
from grader.wire.probe import UP, AwaitParties, Fault, Reply, Start, Up
from grader.wire.sidecar import Command, CommandReply, Ready, SidecarStart

COMMAND_TIMEOUT_S = 20.0
POLL_S = 0.5
SHOWN = 200
Asked = Callable[[], bool]


def _next(channel: Channel, timeout_s: float, cancelled: Asked) -> str | None:
    """The next line, or None when none came in time. Raises RunCancelled."""
    waited = 0.0
    while (line := channel.receive(POLL_S)) is None:
        waited += POLL_S
        if cancelled():
            raise RunCancelled("The run was cancelled.")
        if waited > timeout_s:
            return None
    return line


class ProbeLine:
    """The line to the probe."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, message: AwaitParties | Start | Reply) -> None:
        self._channel.send(message.model_dump_json())

    def receive(self, timeout_s: float, cancelled: Asked) -> Up:
        """The probe's next message.

        Raises SandboxError on a fault or silence, RunCancelled on request.
        """
        line = _next(self._channel, timeout_s, cancelled)
        if line is None:
            raise SandboxError(f"the probe said nothing for {timeout_s:g} s")
        message = UP.validate_json(line)
        if isinstance(message, Fault):
            raise SandboxError(f"a check failed in itself:\n{message.message}")
        return message

    def close(self) -> None:
        self._channel.close()


class SidecarLine:
    """The line to one sidecar that takes commands."""

    def __init__(self, name: str, channel: Channel) -> None:
        self._name, self._channel = name, channel
        self._last = 0

    def start(self, start: SidecarStart, timeout_s: float, cancelled: Asked) -> bool:
        """Send the first line and wait.

        False when no answer came in time. Raises SandboxError for another answer.
        """
        self._channel.send(start.model_dump_json())
        line = _next(self._channel, timeout_s, cancelled)
        if line is None:
            return False
        try:
            Ready.model_validate_json(line)
        except ValidationError:
            raise SandboxError(f"sidecar {self._name} answered {line[:SHOWN]!r}") from None
        return True

    def command(self, payload: Any) -> dict[str, Any]:
        """One command and its reply. Raises SandboxError."""
        self._last += 1
        self._channel.send(Command(id=self._last, payload=payload).model_dump_json())
        while (line := self._channel.receive(COMMAND_TIMEOUT_S)) is not None:
            reply = self._read(line)
            if reply.id == self._last:  # an earlier one came too late to be waited for
                if not reply.ok:
                    raise SandboxError(f"{self._name}: {reply.error or reply.data}")
                return reply.data
        raise SandboxError(f"{self._name} did not answer a command within {COMMAND_TIMEOUT_S:g} s")

    def _read(self, line: str) -> CommandReply:
        try:
            return CommandReply.model_validate_json(line)
        except ValidationError:
            raise SandboxError(f"sidecar {self._name} answered {line[:SHOWN]!r}") from None

    def close(self) -> None:
        self._channel.close()
