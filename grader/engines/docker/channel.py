"""Lines over the stdin and stdout of a container: the engine's attach stream, taken apart and
bounded.
"""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from typing import Any

from docker import APIClient

from grader.engines.docker.build.text import neutralise
from grader.engines.docker.errors import engine_call
from grader.errors import SandboxError

MAX_LINE = 1 << 20
"""Bytes of one line."""
MAX_UNREAD = 8 << 20
"""Bytes of whole lines that wait for the reader; beyond it the party has to wait
(back-pressure).
"""
BURST = 64 << 20
RATE = 4 << 20
"""Bytes: a party may send ``BURST`` at once and ``RATE`` a second for ever; more is a flood."""
STDERR_KEPT = 64 << 10
OVERHEAD = 64
"""Bytes that even an empty line costs us."""
SEND_TIMEOUT_S = 30.0
HEADER = 8
STDOUT, STDERR = 1, 2


class Demux:
    """Takes the engine's 8-byte frames apart: stream type, three zeros, length (big endian),
    payload.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(stream, payload) pieces, in order. A frame may come in any number of pieces."""
        pieces: list[tuple[int, bytes]] = []
        view, at = memoryview(data), 0
        while at < len(view):
            if self._left:
                piece = bytes(view[at : at + self._left])
                pieces.append((self._stream, piece))
                self._left -= len(piece)
                at += len(piece)
                continue
            missing = HEADER - len(self._header)
            self._header += view[at : at + missing]
            at += missing
            if len(self._header) == HEADER:
                self._stream, self._left = self._header[0], int.from_bytes(self._header[4:], "big")
                self._header.clear()
        return pieces


class LineBuffer:
    """Splits bytes into lines of at most ``limit`` bytes. Raises SandboxError beyond it."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = data.split(b"\n")
        lines = []
        for part in whole:
            self._add(part)
            lines.append(b"".join(self._parts).decode("utf-8", "replace"))
            self._parts, self._size = [], 0
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise SandboxError(f"it sent a line of more than {self._limit} bytes")
        if part:
            self._parts.append(part)


class DockerChannel:
    """Attach before the container starts, so that no byte is missed. Implements ``Channel``."""

    def __init__(self, name: str, sock: Any) -> None:
        self._name = name
        self._held = sock  # keeps the response, and with it the connection, alive
        self._sock: socket.socket = getattr(sock, "_sock", sock)
        self._sock.settimeout(SEND_TIMEOUT_S)
        self._lines: collections.deque[str] = collections.deque()
        self._unread = 0
        self._stderr: collections.deque[bytes] = collections.deque()
        self._stderr_size = 0
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._ended: str | None = None
        self._budget, self._budget_at = float(BURST), time.monotonic()
        self._thread = threading.Thread(target=self._read, name=f"channel-{name}", daemon=True)
        self._thread.start()

    @classmethod
    def attach(cls, api: APIClient, container: str, name: str) -> DockerChannel:
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with engine_call(f"attach to {name}"):
            return cls(name, api.attach_socket(container, params=params))

    # -- the caller's side

    def send(self, line: str) -> None:
        """Write one line. Raises SandboxError when the party is gone or has not read for 30 s."""
        if "\n" in line:
            raise ValueError("a line may not contain a newline")
        try:
            with self._sending:
                self._sock.sendall(line.encode() + b"\n")
        except TimeoutError as error:
            raise SandboxError(
                f"{self._name} has not read its input for {SEND_TIMEOUT_S:g} s"
            ) from error
        except OSError as error:
            raise SandboxError(f"{self._name} is gone: {self._why() or error}") from error

    def receive(self, timeout_s: float) -> str | None:
        """See ``Channel``. Lines that came before the end are still delivered."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._lines or self._ended is not None, max(0.0, timeout_s)
            )
            if self._lines:
                line = self._lines.popleft()
                self._unread -= len(line) + OVERHEAD
                self._changed.notify_all()
                return line
            if self._ended is not None:
                raise SandboxError(f"{self._name} is gone: {self._why()}")
            return None

    def stderr(self) -> str:
        """The newest 64 KiB of standard error, escapes neutralised."""
        with self._changed:
            return neutralise(b"".join(self._stderr)[-STDERR_KEPT:].decode("utf-8", "replace"))

    def close(self) -> None:
        """Hang up; the party sees the end of its input."""
        self._end("the channel was closed")
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=2)
        with contextlib.suppress(OSError):
            self._held.close()
        response = getattr(self._held, "_response", None)
        if response is not None:
            with contextlib.suppress(Exception):
                response.close()

    # -- the reader's thread

    def _read(self) -> None:
        demux, lines = Demux(), LineBuffer()
        try:
            while self._ended is None:
                try:
                    data = self._sock.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    break
                self._spend(len(data))
                for stream, piece in demux.feed(data):
                    if stream == STDERR:
                        self._keep_stderr(piece)
                    else:
                        self._deliver(lines.feed(piece))
        except SandboxError as error:
            self._end(error.message)
        except OSError as error:
            self._end(str(error))
        self._end("it ended")

    def _spend(self, size: int) -> None:
        now = time.monotonic()
        self._budget = min(float(BURST), self._budget + (now - self._budget_at) * RATE) - size
        self._budget_at = now
        if self._budget < 0:
            raise SandboxError("it floods the channel")

    def _keep_stderr(self, piece: bytes) -> None:
        with self._changed:
            self._stderr.append(piece)
            self._stderr_size += len(piece)
            while self._stderr_size - len(self._stderr[0]) > STDERR_KEPT:
                self._stderr_size -= len(self._stderr.popleft())

    def _deliver(self, lines: list[str]) -> None:
        with self._changed:
            for line in lines:
                self._changed.wait_for(lambda: self._unread < MAX_UNREAD or self._ended is not None)
                self._lines.append(line)
                self._unread += len(line) + OVERHEAD
                self._changed.notify_all()

    def _end(self, why: str) -> None:
        with self._changed:
            if self._ended is None:
                self._ended = why
            self._changed.notify_all()

    def _why(self) -> str:
        tail = neutralise(b"".join(self._stderr)[-1000:].decode("utf-8", "replace")).strip()
        return f"{self._ended or 'its connection broke'}{'; it last said: ' + tail if tail else ''}"
