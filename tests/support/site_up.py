"""One ``./seatrial up`` as a person runs it, in a home of its own, for tests that need the whole
site.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 45.0


class Up:
    """Started on construction; its output goes to a file beside the home."""

    def __init__(self, home: Path, port: int, **env: str) -> None:
        self.home, self.port = home, port
        self.log = home.with_suffix(".log")
        command = [
            sys.executable,
            str(ROOT / "seatrial"),
            "up",
            "--port",
            str(port),
            "--home",
            str(home),
        ]
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SEATRIAL_", "DJANGO_"))
        }
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**clean, "SEATRIAL_PUBLISH": "all", **env},
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def page(self, path: str = "/") -> int:
        """The status with which a page answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def wait_for(self, text: str, seconds: float) -> None:
        """Until ``text`` stands in the output; fails when it ends before, or takes too long."""
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self.process.poll() is None, f"it ended early:\n{self.output()}"
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s:\n{self.output()}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


def processes_of(home: Path) -> list[tuple[int, str]]:
    """(pid, command line) of all processes whose environment names this home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"SEATRIAL_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(
                    (
                        int(entry.name),
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(),
                    )
                )
        except OSError:
            continue
    return found


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
