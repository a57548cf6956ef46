"""``bench projects``: twelve everyday projects, each built and graded twice, and one that is
refused with a reason.

The cache of packages is emptied first: the first pass is cold, the second finds it warm. Layers are
never kept between builds, so every second pass runs every step again. The lab is that of ``lab
new``: a service that reverses a text.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from grader import images
from grader.archive.folder import read_folder_snapshot
from grader.cli import skeleton
from grader.dockerfile.bases import by_name_alone
from grader.dockerfile.lint import check
from grader.engines.docker.sandbox import DockerSandbox
from grader.errors import DockerfileRefused
from grader.events import PhaseFinished, RunFinished
from grader.job import GradingJob, Snapshot
from grader.lab import LabContent, load_lab
from grader.runs import engine

FOLDER = Path(__file__).parent / "projects"
REFUSED = "13-alpine"
BUILD_S = 600
PACKAGES, DATA = "seatrial-packages", "seatrial-packages-data"


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """One figure for each project: graded both times, with the seconds of its build cold and
    warm.
    """
    sandbox = DockerSandbox(installation="bench")
    images.ensure(sandbox.client, say)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "labs").mkdir()
        lab = _patient(load_lab(skeleton.create(Path(folder) / "labs", "tiny")))
    _empty_the_cache(sandbox.client)
    projects = {
        path.name: read_folder_snapshot(path) for path in sorted(FOLDER.iterdir()) if path.is_dir()
    }
    refused = _refusal(projects.pop(REFUSED))
    passes: list[dict[str, tuple[str, float, float]]] = []
    for temper in ("cold", "warm"):
        passes.append({})
        for name, snapshot in projects.items():
            passes[-1][name] = _grade(lab, snapshot, sandbox)
            verdict, build_s, whole_s = passes[-1][name]
            say(f"{temper} {name}: {verdict}, build {build_s:.1f} s, whole run {whole_s:.1f} s")
    cold, warm = passes
    figures = [_figure(name, cold[name], warm[name]) for name in projects]
    ratios = [warm[name][1] / cold[name][1] for name in projects]
    median = statistics.median(ratios)
    figures += [
        {
            "figure": f"{REFUSED}, refused with a reason",
            "asked": "yes",
            "seen": refused,
            "holds": bool(refused),
        },
        {
            "figure": "build warm / cold, median of all",
            "asked": "less than 1",
            "seen": f"{median:.2f}",
            "holds": median < 1,
        },
    ]
    return {"figures": figures, "cold": cold, "warm": warm}


def _patient(lab: LabContent) -> LabContent:
    """With time for a first download of everything."""
    limits = lab.spec.limits.model_copy(update={"build_s": BUILD_S})
    return LabContent(lab.spec.model_copy(update={"limits": limits}), lab.files, lab.digest)


def _empty_the_cache(client: Any) -> None:
    for remove in (
        lambda: client.containers.get(PACKAGES).remove(force=True),
        lambda: client.volumes.get(DATA).remove(force=True),
    ):
        try:
            remove()
        except NotFound:
            continue


def _refusal(snapshot: Snapshot) -> str:
    try:
        check(
            {path: file.data for path, file in snapshot.files.items()},
            by_name_alone(["seatrial/runtime:1"]),
        )
    except DockerfileRefused as error:
        return error.message.splitlines()[0]
    return ""


def _grade(lab: LabContent, snapshot: Snapshot, sandbox: DockerSandbox) -> tuple[str, float, float]:
    """(verdict with its reason, seconds of the build, seconds of the whole run)."""
    job = GradingJob(lab, snapshot, "bench", run_id=f"bench-{time.time_ns():x}")
    build_s = 0.0
    for event in engine.run(job, sandbox, installation="bench"):
        if isinstance(event, PhaseFinished) and event.phase == "build":
            build_s = event.seconds
        if isinstance(event, RunFinished):
            result = event.result
    said = result.verdict.value if not result.reason else f"{result.verdict.value}: {result.reason}"
    return said, build_s, result.seconds


def _figure(
    name: str, cold: tuple[str, float, float], warm: tuple[str, float, float]
) -> dict[str, Any]:
    seen = (
        f"build {cold[1]:.1f} s cold, {warm[1]:.1f} s warm; run {cold[2]:.1f} and {warm[2]:.1f} s"
    )
    holds = cold[0] == warm[0] == "passed"
    return {
        "figure": name,
        "asked": "passed twice",
        "seen": seen if holds else f"{cold[0]}; {warm[0]}",
        "holds": holds,
    }
