"""Lab versions that were published once still import and run: a re-grade of an old run needs them.

The archives in published/ hold labs as they were before they imported one surface (ADR 25). They
are never changed. A version with another surface gets an archive of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import load_lab
from grader.proving.prove import prove

PUBLISHED = sorted((Path(__file__).parent / "published").glob("*.tar.xz"))
IMPORT = """
import importlib, sys
from pathlib import Path
from grader.lab import LabSpec, parse
from grader.probe import context

folder = Path(sys.argv[1])
spec = parse(LabSpec, (folder / "lab.yaml").read_text(), "lab.yaml")
found = [path for path in (folder / "checks").rglob("*") if path.is_file()]
files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
context._install(files)
for name in files:
    if name.endswith(".py"):
        importlib.import_module("lab_checks." + name[7:-3].replace("/", "."))
uses = [use for criterion in spec.rubric.criteria for use in criterion.checks]
made = [context.make_check(use) for use in uses]
print(len(made), "checks")
"""


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("archive", PUBLISHED, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_its_checks_import_and_take_their_parameters(archive: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT, str(unpacked(archive, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) >= 3


@pytest.mark.docker
@pytest.mark.parametrize("submission", ["reference", "wrong_upper"])
def test_it_is_graded_as_it_was(sandbox: DockerSandbox, tmp_path: Path, submission: str) -> None:
    [archive] = [path for path in PUBLISHED if path.name.startswith("old-skeleton")]
    lab = load_lab(unpacked(archive, tmp_path / "old-skeleton"))
    proof = prove(lab, submission, sandbox, new_seed=lambda: "old", on_event=lambda _event: None)
    assert proof.holds, proof.problems
