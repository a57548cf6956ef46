"""Services that were written from the briefs alone, of another make than the references: the right
ones pass.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from site_up import ROOT

from grader.archive import read_folder_snapshot
from grader.engines.docker.sandbox import DockerSandbox
from grader.job import GradingJob
from grader.lab import load_lab
from grader.result import Outcome, Verdict
from grader.runs.engine import run_to_end

HERE = Path(__file__).parent / "independent"
SERVICES = sorted(path.parent.relative_to(HERE).as_posix() for path in HERE.glob("*/*/Dockerfile"))


@pytest.mark.docker
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
def test_a_right_service_of_another_make_passes(service: str, sandbox: DockerSandbox) -> None:
    lab = load_lab(ROOT / "content" / "labs" / service.split("/", maxsplit=1)[0])
    seed = secrets.token_hex(6)
    job = GradingJob(lab, read_folder_snapshot(HERE / service), seed, run_id=f"independent-{seed}")
    result = run_to_end(job, sandbox, installation="independent", on_event=lambda _event: None)
    said = [
        (r.criterion, r.outcome.value, r.message)
        for r in result.criteria
        if r.outcome is not Outcome.PASSED
    ]
    assert result.verdict is Verdict.PASSED, (seed, result.reason, said)
