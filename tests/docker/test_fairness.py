"""Two terminals and the site on one engine with one slot: everybody begins in the order of
arrival.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from site_up import ROOT
from tiny import tiny_lab
from worker_kit import BEGIN, Site

from grader import slots
from grader.lab import load_lab, submission_files

pytestmark = pytest.mark.docker

# A worker's loop without a broker: it rings for itself until the run is over.
WORK_UNTIL_DONE = """
import django; django.setup()
from submissions import bell, tasks; bell.ring = lambda run_id: None
from submissions.models import GradingRun
while GradingRun.objects.unfinished().exists():
    tasks.run_grading(0)
run = GradingRun.objects.get()
print(run.started_at.timestamp(), run.verdict)
"""


class Terminal:
    """``grade`` in a terminal, and when each of its lines came."""

    def __init__(self, content: Path, project: Path) -> None:
        command = [sys.executable, "-m", "grader.cli", "grade", "tiny", str(project)]
        environment = {**os.environ, "SEATRIAL_CONTENT": str(content), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend((time.time(), line) for line in self.process.stdout)

    def at(self, text: str, seconds: float = 120) -> float:
        """When a line with this text came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := next((at for at, line in self.lines if text in line), None):
                return found
            time.sleep(0.05)
        raise AssertionError(f"no {text!r} in {self.lines}")


def test_two_terminals_and_the_site_begin_in_order_of_arrival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path / "slots"))
    tiny_lab(tmp_path)
    content, project = load_lab(tmp_path / "labs" / "tiny"), tmp_path / "project"
    for path, file in submission_files(content, "reference").items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(file.data)
    site = Site(tmp_path / "home")
    with slots.machine_slot(print):
        first = Terminal(tmp_path, project)
        first.at("waiting: another run is measured on this machine; this one is next")
        site.run(BEGIN, str(tmp_path / "labs" / "tiny"))
        last = Terminal(tmp_path, project)
        last.at("waiting: another run is measured")
        worker = site.start(
            WORK_UNTIL_DONE
        )  # it comes last, for a run that arrived before the second terminal
        last.at("and 2 came before this one")
    out, err = worker.communicate(timeout=240)
    assert "Traceback" not in err, err
    started, verdict = out.split()[-2:]
    assert verdict == "passed"
    assert first.at("build \u2026") < float(started) < last.at("build \u2026")
    assert (first.process.wait(120), last.process.wait(120)) == (0, 0)
