"""``./seatrial mutate``: changes the arithmetic of verdicts in a thousand ways; the unit tests have
to notice nine of ten.

What is changed, and by which tests, stands in pyproject.toml (tool.mutmut). It takes some four
minutes and is no part of ``./seatrial test``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from launcher.problem import EXIT_FAILED, EXIT_OK, LaunchError, say
from launcher.testing import ROOT

PARTS = ("grader", "labs", "platform", "tests", "pyproject.toml")
ENOUGH = 0.9
MUTMUT = ["-m", "mutmut"]


def mutate() -> int:
    """Run mutmut in a copy of the tree; name what survived. 0 when enough was killed."""
    with tempfile.TemporaryDirectory(prefix="seatrial-mutate-") as folder:
        copy = Path(folder)
        _copy_to(copy)
        say("making mutants and running the tests on each (about four minutes)")
        ran = _mutmut(copy, "run", "--max-children", str(os.cpu_count() or 1))
        stats = copy / "mutants" / "mutmut-cicd-stats.json"
        _mutmut(copy, "export-cicd-stats")
        if not stats.is_file():
            raise LaunchError(f"mutmut did not finish:\n{ran[-2000:]}", "Mend what it names.")
        found = json.loads(stats.read_text())
        for line in _mutmut(copy, "results").splitlines():
            if "survived" in line or "no tests" in line:
                print(line.strip())
        share = found["killed"] / max(1, found["total"])
        print(f"{found['killed']} of {found['total']} mutants killed ({share:.1%})")
        return EXIT_OK if share >= ENOUGH else EXIT_FAILED


def _copy_to(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "node_modules", ".mypy_cache")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)


def _mutmut(folder: Path, *arguments: str) -> str:
    """The output of one mutmut command. Modules come from the copy, before the installed ones."""
    paths = os.pathsep.join([str(folder), str(folder / "platform")])
    done = subprocess.run(
        [sys.executable, *MUTMUT, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr
