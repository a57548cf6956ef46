"""Housekeeping goes on beside a grade, survives its own failures, and ends with its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import wait_for

from submissions import worker
from submissions.management.commands import housekeeping

ROOT = Path(__file__).resolve().parents[3]
PARENT = """
import os, subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())]).pid, flush=True)
time.sleep(60)
"""
KEEPER = """
import os, sys, threading
sys.path.insert(0, "platform")
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django; django.setup()
from submissions.management.commands import housekeeping
housekeeping.sweep = housekeeping.tidy = lambda: None
housekeeping.LOOK_S = 0.05
housekeeping.Command().handle(worker=int(sys.argv[1]))
"""


def test_a_sweep_that_fails_does_not_end_it(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    over, sweeps = threading.Event(), []

    def sweep() -> None:
        sweeps.append(1)
        if len(sweeps) == 3:
            over.set()
        raise OSError("no space left")

    monkeypatch.setattr(housekeeping, "sweep", sweep)
    monkeypatch.setattr(housekeeping, "close_old_connections", lambda: None)
    housekeeping.keep_house(over, lambda: False, every_s=0.0)
    assert len(sweeps) == 3


def test_it_ends_when_its_worker_was_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, KEEPER], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    keeper = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_for(lambda: not _lives(keeper))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_worker_starts_it_again_and_takes_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(_command: list[str], **_: object) -> subprocess.Popen[bytes]:
        started.append(real([sys.executable, "-c", "import time; time.sleep(60)"]))
        if len(started) == 1:
            started[0].send_signal(signal.SIGKILL)
        return started[-1]

    monkeypatch.setattr(worker.subprocess, "Popen", popen)
    monkeypatch.setattr(worker, "PAUSE_S", 0.0)
    monkeypatch.setattr(worker._Worker, "stopping", threading.Event())
    thread = threading.Thread(target=worker.keep_housekeeper)
    thread.start()
    wait_for(lambda: len(started) >= 2)
    worker.end()
    thread.join(20)
    assert [process.returncode for process in started] == [-signal.SIGKILL, -signal.SIGTERM]
