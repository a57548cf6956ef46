"""Ctrl-C in the middle of a run, even twice, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from site_up import ROOT
from tiny import tiny_lab

from grader.sandbox.docker import DockerSandbox
from grader.sandbox.labels import LABEL_INSTALLATION

pytestmark = pytest.mark.docker


def ours(sandbox: DockerSandbox, since: set[str]) -> set[str]:
    """Names of containers of runs from a terminal that were not there before."""
    found = sandbox.client.api.containers(all=True, filters={"label": LABEL_INSTALLATION})
    mine = [c for c in found if c["Labels"][LABEL_INSTALLATION].startswith("cli-")]
    return {str(c["Names"][0]) for c in mine} - since


def test_two_interrupts_leave_nothing(tmp_path: Path, sandbox: DockerSandbox) -> None:
    tiny_lab(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text('FROM seatrial/runtime:1\nCMD ["sleep", "600"]\n')
    before = ours(sandbox, set())
    command = [sys.executable, "-m", "grader.cli", "grade", "tiny", str(project)]
    environment = {**os.environ, "SEATRIAL_CONTENT": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 60
        while len(ours(sandbox, before)) < 3:
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 3
    assert ours(sandbox, before) == set()
