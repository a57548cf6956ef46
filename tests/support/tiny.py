"""A tiny lab and tiny submissions for tests on the real engine: the skeleton of ``lab new`` with
short limits.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from grader.cli import skeleton
from grader.engines.base import Sandbox
from grader.events import Event
from grader.job import GradingJob, Snapshot
from grader.lab import LabContent, SourceFile, load_lab, submission_files, tree_digest
from grader.result import RunResult
from grader.runs.engine import run_to_end

DOCKERFILE = 'FROM seatrial/runtime:1\nWORKDIR /srv\nCOPY . .\nCMD ["python3", "app.py"]\n'


def tiny_lab(folder: Path, **limits: float) -> LabContent:
    """The skeleton lab in ``folder``, with some limits replaced."""
    (folder / "labs").mkdir(exist_ok=True)
    content = load_lab(skeleton.create(folder / "labs", "tiny"))
    spec = content.spec.model_copy(update={"limits": content.spec.limits.model_copy(update=limits)})
    return LabContent(spec, content.files, content.digest)


def project(app: str = "", dockerfile: str = DOCKERFILE, **more: str) -> Snapshot:
    """A submission of one Dockerfile and one program."""
    texts = {"Dockerfile": dockerfile, "app.py": app, **more}
    files = {PurePosixPath(name): SourceFile(text.encode()) for name, text in texts.items() if text}
    return Snapshot(files, tree_digest(files))


def reference(lab: LabContent) -> Snapshot:
    """The lab's own reference solution."""
    files = submission_files(lab, "reference")
    return Snapshot(files, tree_digest(files))


def grade(
    lab: LabContent, snapshot: Snapshot, sandbox: Sandbox, seen: list[Event] | None = None
) -> RunResult:
    """One run on the real engine."""
    digest = snapshot.digest[:10]
    job = GradingJob(lab, snapshot, "test-seed", run_id=f"test-{digest}")
    events = seen if seen is not None else []
    return run_to_end(job, sandbox, installation="test", on_event=events.append)
