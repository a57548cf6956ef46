"""A run in which only the containers are missing: the real engine, the real line, the real probe
process, a service that says what a test wants on a real socket. The pod itself is the fake one.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import patch

import yaml
from tiny import project, tiny_lab

from grader.engines.base import PartySpec, RunLabels
from grader.engines.docker.channel import LineBuffer
from grader.engines.fake import FakePod, FakeSandbox, Script
from grader.errors import SandboxError
from grader.events import Event
from grader.job import GradingJob
from grader.lab import LabContent, LabSpec, SourceFile
from grader.result import CheckResult, RunResult
from grader.runs.engine import run_to_end
from grader.runs.probing import Probing
from grader.wire.probe import Start

# The image has uvloop and every name of the pod; here asyncio's own loop does, and every name is
# this machine.
_BOOT = """
import asyncio, runpy, socket, sys, types
sys.modules["uvloop"] = types.SimpleNamespace(run=asyncio.run)
look_up = socket.getaddrinfo
socket.gethostbyname = lambda name: "127.0.0.1"
socket.getaddrinfo = lambda host, *rest, **named: look_up("127.0.0.1", *rest, **named)
sys.argv = ["probe"]
runpy.run_module("grader.probe", run_name="__main__")
"""
Answer = Callable[[str, bytes], bytes | None]
"""From path and body to the bytes of the whole answer; None: never answer."""


class ProcessChannel:
    """Implements ``Channel`` over the pipes of a process, with the line buffer of the real
    channel.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._buffer = process, LineBuffer()
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = ""
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def receive(self, timeout_s: float) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._ended, timeout_s)
            if self._lines:
                return self._lines.pop(0)
            if self._ended:
                raise SandboxError(f"probe is gone: {self._ended}")
            return None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        ended = "it ended"
        try:
            while data := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
                lines = self._buffer.feed(data)
                with self._changed:
                    self._lines += lines
                    self._changed.notify_all()
        except SandboxError as error:
            ended = error.message
        with self._changed:
            self._ended = ended
            self._changed.notify_all()


class ProbePod(FakePod):
    """The fake pod, except that the probe is a process."""

    channel: ProcessChannel | None = None

    def start(self, party: PartySpec) -> None:
        super().start(party)
        if party.role == "probe":
            command = [sys.executable, "-c", _BOOT]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.channel = ProcessChannel(process)

    def open_channel(self, name: str) -> Any:
        if name == "probe" and self.channel is not None:
            return self.channel
        return super().open_channel(name)

    def destroy(self) -> None:
        if self.channel is not None:
            self.channel.close()
        super().destroy()


class ProbeSandbox(FakeSandbox):
    """A fake sandbox whose pods run a real probe."""

    def open_pod(self, labels: RunLabels, hosts: tuple[str, ...]) -> ProbePod:
        self.check()
        pod = ProbePod(labels, hosts, self.scripts)
        self.pods.append(pod)
        return pod


def http(body: bytes | str, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer with a length."""
    data = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n" + data


@contextmanager
def service(answer: Answer, port: int = 0, *, closed: bool = False) -> Iterator[int]:
    """A service that is ready and answers as told, one request a connection. Yields its port.

    ``closed``: 403 to whoever has no key, as a baseline answers.
    """
    server = socket.create_server(("127.0.0.1", port))
    held: list[socket.socket] = []

    def serve(link: socket.socket) -> None:
        held.append(link)
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                data += link.recv(65536) or b"\r\n\r\n"
            head, _, body = data.partition(b"\r\n\r\n")
            sizes = [
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            while sizes and len(body) < sizes[0]:
                body += link.recv(65536)
            path = head.split(b" ")[1].decode()
            if path == "/readyz":
                said = http("{}", "200 OK", "Connection: close")
            elif closed and b"x-baseline-key" not in head.lower():
                said = http("{}", "403 Forbidden", "Connection: close")
            else:
                said = answer(path, body)
            if said is not None:
                link.sendall(said)
                link.shutdown(socket.SHUT_WR)
        except (OSError, IndexError):
            link.close()

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()
        for link in held:
            link.close()


def lab_of(
    folder: Path,
    port: int,
    criteria: list[dict[str, Any]],
    files: dict[str, str] | None = None,
    **more: Any,
) -> LabContent:
    """A lab with these criteria, checks of its own (``files``), and the service at ``port``."""
    made = tiny_lab(folder)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    each = {"title": "A criterion", "rule": "r", "weight": 100 / len(criteria)}
    spec["rubric"]["criteria"] = [{**each, **criterion} for criterion in criteria]
    spec["service"] = {"port": port}
    spec |= more
    content = dict(made.files)
    for path, text in (files or {}).items():
        content[PurePosixPath(path)] = SourceFile(text.encode())
    return LabContent(LabSpec.model_validate(spec), content, made.digest)


def graded(
    lab: LabContent,
    scripts: dict[str, Script] | None = None,
    seen: list[Event] | None = None,
    deadline_s: float = 0,
) -> RunResult:
    """One whole run. ``deadline_s``: a shorter time for the criteria than lab.yaml allows."""
    job = GradingJob(lab, project("print(1)"), "seed", run_id=f"probe-{time.time_ns()}")
    events = seen if seen is not None else []
    begin = Probing._start

    def sooner(probing: Probing) -> Start:
        start = begin(probing)
        return start.model_copy(update={"deadline_s": deadline_s}) if deadline_s else start

    with patch.object(Probing, "_start", sooner):
        return run_to_end(job, ProbeSandbox(scripts), installation="test", on_event=events.append)


def outcomes(result: RunResult) -> dict[str, CheckResult]:
    return {each.criterion: each for each in result.criteria}
