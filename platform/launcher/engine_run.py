"""Runs one command of the terminal with an engine that answers, and stops that engine if it was
started for it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from launcher.engine_setup import Engine
from launcher.problem import say

STOP_S = 60.0


def run_with_engine(command: list[str]) -> int:
    """Python's exit code for ``command``. Raises LaunchError when there is no engine to be had."""
    with tempfile.TemporaryDirectory(prefix="seatrial-engine-") as folder:
        engine = Engine(Path(folder) / "dockerd.log")
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            engine.ensure(say)
            return _run(command)
        finally:
            engine.stop()


def _run(command: list[str]) -> int:
    with subprocess.Popen([sys.executable, *command]) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:
            running.send_signal(signal.SIGINT)  # it tears its pod down, then the engine may go
            try:
                return running.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()
                raise


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
