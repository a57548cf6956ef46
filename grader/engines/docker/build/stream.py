"""POST /build as a stream of messages that can be waited for with a time limit, and hung up on."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Mapping
from typing import IO, Any, Final

from docker import APIClient

MAX_MESSAGE = 1 << 20
WAITING = 256


class BuildStream:
    """One build under way. ``close`` ends it: the engine kills a RUN whose client is gone."""

    END: Final[Mapping[str, object]] = {"end": True}

    def __init__(self, client: APIClient, context: IO[bytes], params: dict[str, str]) -> None:
        api: Any = client  # the calls below are its own building blocks and have no types
        self.error: str | None = None
        self._messages: queue.Queue[Mapping[str, object]] = queue.Queue(maxsize=WAITING)
        self._closed = threading.Event()
        url = api._url("/build")
        headers = {"Content-Type": "application/x-tar"}
        # Connecting and every pause between two messages may take as long as the watch allows.
        self._response = api._post(
            url, data=context, params=params, headers=headers, stream=True, timeout=None
        )
        api._raise_for_status(self._response)
        self._socket: Any = api._get_raw_response_socket(self._response)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> Mapping[str, object] | None:
        """The next message, None when none came in time, END (by identity) after the last."""
        try:
            return self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Hang up; safe to call at any time."""
        self._closed.set()
        sock = getattr(self._socket, "_sock", self._socket)
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            self._response.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._messages.get_nowait()
        self._thread.join(timeout=5)

    def _put(self, message: Mapping[str, object]) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._messages.put(message, timeout=0.2)
                return

    def _read(self) -> None:
        buffer = b""
        try:
            for piece in self._response.iter_content(chunk_size=None):
                buffer += piece
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._deliver(line)
                if len(buffer) > MAX_MESSAGE:
                    raise ValueError("a message of the engine is too long")
            self._deliver(buffer)
        except Exception as error:  # handed to the follower
            self.error = f"{type(error).__name__}: {str(error)[:300]}"
        self._put(self.END)

    def _deliver(self, line: bytes) -> None:
        if line.strip():
            message = json.loads(line)
            if isinstance(message, dict):
                self._put(message)
