"""Every sidecar of ours as a real process, spoken to by the engine's own end of the line: no message
is written by hand on either side.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import wait_for

from grader.engines.base import Channel
from grader.errors import SandboxError
from grader.lab import Sidecar
from grader.pods.lines import SidecarLine
from grader.sidecars import KINDS
from grader.sidecars.base import PYTHON_IMAGE, config_of
from grader.wire.sidecar import SidecarStart

IN_ITS_IMAGE = "model-gateway"
"""Its models are there: tests/docker/test_sidecars_pod.py drives it through the same lines."""
OURS = sorted(
    kind.id for kind in KINDS.values() if kind.image == PYTHON_IMAGE and kind.id != IN_ITS_IMAGE
)
CONFIG: dict[str, dict[str, Any]] = {"fault-proxy": {"upstream": "localhost:9"}}
COMMANDS: dict[str, list[dict[str, Any]]] = {
    "fault-proxy": [
        {"command": "link", "latency_ms": 5},
        {"command": "stats"},
        {"command": "reset"},
    ],
    "clock": [{"command": "clock"}],
    "otlp": [
        {"command": "traces", "ids": []},
        {"command": "listen", "words": ["secret"]},
        {"command": "holds", "words": ["secret"]},
    ],
}
"""One of each that docs/lab-author.md lists."""


class Pipes:
    """A Channel over a process's stdin and stdout."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self, timeout_s: float) -> str | None:
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(params=OURS)
def started(request: pytest.FixtureRequest) -> Iterator[tuple[str, Pipes, SidecarLine, int]]:
    kind, port = KINDS[request.param], free_port()
    sidecar = Sidecar(name="one", kind=kind.id, port=port, config=CONFIG.get(kind.id, {}))
    assert kind.command is not None
    channel = Pipes([sys.executable, *kind.command[1:]])
    as_channel: Channel = channel
    line = SidecarLine("one", as_channel)
    start = SidecarStart(seed="7", name="one", port=port, config=config_of(kind, sidecar))
    assert line.start(start, 60, lambda: False)
    yield kind.id, channel, line, port
    channel.process.kill()
    channel.process.wait()


def test_it_listens_obeys_refuses_and_ends_with_its_line(
    started: tuple[str, Pipes, SidecarLine, int],
) -> None:
    kind, channel, line, port = started
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    for payload in COMMANDS[kind]:
        assert isinstance(line.command(payload), dict), payload
    for wrong in ({"command": "dance"}, {}, [], None, "text", {"command": COMMANDS[kind]}):
        with pytest.raises(SandboxError, match="one: "):
            line.command(wrong)
    assert isinstance(line.command(COMMANDS[kind][-1]), dict), "a refusal ends nothing"
    line.close()
    wait_for(lambda: channel.process.poll() is not None)
    assert channel.process.returncode == 0


def test_every_kind_of_ours_is_tried() -> None:
    assert set(COMMANDS) == set(OURS)


@pytest.mark.parametrize(
    ("kind", "line"),
    [(kind, "{}") for kind in OURS]
    + [("clock", line) for line in ("", '{"type": "start"}', "no json", "[" * 5000)],
)
def test_a_first_line_that_is_none_ends_it(kind: str, line: str) -> None:
    command = KINDS[kind].command
    assert command is not None
    done = subprocess.run(
        [sys.executable, *command[1:]],
        input=f"{line}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == "", "nothing is taken for an answer"
