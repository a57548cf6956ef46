"""A published lab, archives, and runs in any state. No engine and no broker anywhere."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from grader.job import Snapshot
from grader.lab import LabContent, LabSpec, SourceFile, tree_digest
from grader.result import CheckResult, Exchange, Measured, Outcome, Rule, RunResult, Series, Verdict
from labs.models import Lab, LabVersion
from labs.sync import publish
from submissions import bell, intake
from submissions.models import GradingRun

FILES = {
    PurePosixPath("Dockerfile"): SourceFile(b"FROM seatrial/runtime:1\n"),
    PurePosixPath("app.py"): SourceFile(b"print(1)\n"),
}
SNAPSHOT = Snapshot(FILES, tree_digest(FILES))
CHECKS = [{"check": "contract"}]
SPEC = {
    "id": "echo-lab",
    "number": 7,
    "version": "1.0.0",
    "title": "Say it again",
    "summary": "A service that repeats what it hears.",
    "level": 2,
    "hours": 3,
    "skills": ["serve"],
    "rubric": {
        "criteria": [
            {"id": "contract", "title": "Contract", "rule": "all", "weight": 40, "gate": True, "checks": CHECKS},
            {"id": "fast", "title": "Fast enough", "rule": "at most 2 x R", "weight": 60, "hint": 1, "checks": CHECKS},
        ]
    },
}  # fmt: skip


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that the bell was rung for."""
    rung: list[int] = []
    monkeypatch.setattr(bell, "ring", rung.append)
    return rung


@pytest.fixture
def version(db: None, rings: list[int]) -> LabVersion:
    files = {
        PurePosixPath("README.md"): SourceFile(b"# Say it again\n\nA parrot.\n"),
        PurePosixPath("openapi.yaml"): SourceFile(b"paths: {}\n"),
        PurePosixPath("starter/Dockerfile"): SourceFile(b"FROM seatrial/runtime:1\n"),
        PurePosixPath("hints/1.md"): SourceFile(b"# First\n\nThink.\n"),
    }
    publish(LabContent(LabSpec.model_validate(SPEC), files, tree_digest(files)))
    current = Lab.objects.get().current
    assert current is not None
    return current


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "project.zip"
    path.write_bytes(zip_of({"Dockerfile": b"FROM seatrial/runtime:1\n", "app.py": b"print(1)\n"}))
    return path


@pytest.fixture
def make_run(version: LabVersion) -> Callable[..., GradingRun]:
    """A queued run of ``user``; further fields are set as given."""

    def make(user: Any, **fields: Any) -> GradingRun:
        run = intake.accept(user, version, SNAPSHOT, filename="project.zip", note="first try")
        if fields:
            GradingRun.objects.filter(pk=run.pk).update(**fields)
        return GradingRun.objects.get(pk=run.pk)

    return make


HOSTILE = "<script>alert('x')</script>\x1b]0;owned\x07\x1b[31mred\x00"


@pytest.fixture
def failed_result() -> RunResult:
    """A failed run whose every free text is an attack."""
    contract = CheckResult(
        criterion="contract",
        check="c",
        title="Contract",
        gate=True,
        outcome=Outcome.PASSED,
        points=40,
        max_points=40,
        message="All as specified.",
        measured=Measured(value=12, n=12, text="12 of 12 requests"),
        rule=Rule(op="all", text="all"),
    )
    fast = CheckResult(
        criterion="fast",
        check="l",
        title="Fast enough",
        gate=False,
        outcome=Outcome.FAILED,
        points=0,
        max_points=60,
        message=f"Too slow: {HOSTILE}",
        measured=Measured(
                value=3.1,
                unit="ratio",
                low=2.9,
                high=3.4,
                n=28,
                text="3.10 × baseline [2.90, 3.40], n = 28",
            ),
        rule=Rule(op="at_most", threshold=2, unit="ratio", text="at most 2.00 × baseline"),
        advice="Keep connections open.",
        exchange=Exchange(
            method="POST",
            path="/echo?q='; rm -rf ~ #",
            request_headers={"Content-Type": "application/json", "X-Odd": "it's $(id)"},
            request_body='{"text": "it\'s"}',
            status=200,
            response_headers={"Content-Type": "text/html"},
            response_body=HOSTILE,
            log=f"line one\n{HOSTILE}",
        ),
        series=[Series(kind="histogram", title="Latency", unit="ms", app=[3.0] * 30, baseline=[1.0] * 30)],
    )  # fmt: skip
    return RunResult(
        lab="echo-lab",
        lab_version="0" * 64,
        grader_version="0.1.0",
        seed="s",
        verdict=Verdict.FAILED,
        score=40,
        criteria=[contract, fast],
        image_digest="sha256:" + "a" * 64,
        seconds=12,
    )
