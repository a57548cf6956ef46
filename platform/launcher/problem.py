"""What the launcher reports to the person at the terminal."""

from __future__ import annotations

import sys
import threading
import time

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_OURS = 0, 1, 2, 3
_started = time.monotonic()
_printing = threading.Lock()


class LaunchError(Exception):
    """Something stops the start. ``advice`` says what to do; the exit code is 3."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}"


def say(text: str) -> None:
    """Print one progress line with the seconds since the start.

    Safe from any thread, and on a closed terminal.
    """
    with _printing:
        try:
            print(f"[{time.monotonic() - _started:6.1f} s] {text}", flush=True)
        except OSError:
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115  the terminal is gone; the site goes on
