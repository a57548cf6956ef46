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

from grader.engines.docker.sandbox import DockerSandbox
from grader.engines.labels import LABEL_INSTALLATION

pytestmark = pytest.mark.docker


def ours(sandbox: DockerSandbox, installation: str, since: set[str]) -> set[str]:
    """Names of containers of this command's runs that were not there before."""
    found = sandbox.client.api.containers(all=True, filters={"label": LABEL_INSTALLATION})
    mine = [c for c in found if c["Labels"][LABEL_INSTALLATION].startswith(installation)]
    return {str(c["Names"][0]) for c in mine} - since


def interrupted(
    command: list[str], content: Path, sandbox: DockerSandbox, installation: str, most: int
) -> None:
    """Start the command, wait for its containers, interrupt it three times; it must end with 3 and
    leave nothing.
    """
    before = ours(sandbox, installation, set())
    environment = {**os.environ, "SEATRIAL_CONTENT": str(content), "SEATRIAL_SLOTS": "2"}
    line = [sys.executable, "-m", "grader.cli", *command]
    with subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 60
        while len(ours(sandbox, installation, before)) < most:
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 3
    assert ours(sandbox, installation, before) == set()


def test_two_interrupts_leave_nothing(tmp_path: Path, sandbox: DockerSandbox) -> None:
    tiny_lab(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text('FROM seatrial/runtime:1\nCMD ["sleep", "600"]\n')
    interrupted(["grade", "tiny", str(project)], tmp_path, sandbox, "cli-", 3)


def test_interrupted_proofs_leave_nothing_though_two_go_on_at_once(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    tiny_lab(tmp_path)
    interrupted(["lab", "verify", "tiny"], tmp_path, sandbox, "prove", 5)
