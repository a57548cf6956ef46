"""The image of Prometheus carries a part of the grader, and that part works by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from grader.images.catalog import recipes

IMPORT = """
import sys
for name in ("uvicorn", "httptools", "google", "opentelemetry", "docker"):
    sys.modules[name] = None
import grader.sidecars.prometheus.__main__
print(grader.sidecars.prometheus.__file__)
"""


def test_it_carries_what_it_speaks_with_and_nothing_that_changes_often() -> None:
    names = {name for name, _ in recipes()["seatrial/observe:1"].files()}
    assert {
        "grader/sidecars/stdio.py",
        "grader/sidecars/prometheus/rules.py",
        "grader/result.py",
    } <= names
    assert not [
        name
        for name in names
        if name.startswith(("grader/load/", "grader/checks/", "grader/probe/"))
    ]


def test_the_carried_part_needs_nothing_else(tmp_path: Path) -> None:
    for name, path in recipes()["seatrial/observe:1"].files():
        if name.startswith("grader/"):
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(tmp_path) in done.stdout
