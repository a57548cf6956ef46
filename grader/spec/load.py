"""Reading a lab folder, and what lies beside the labs."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, RootModel

from grader.errors import SpecError
from grader.spec.content import LabContent, SourceFile, read_folder, tree_digest
from grader.spec.models import LabSpec, Skill, Track
from grader.spec.parse import parse
from grader.spec.submissions import load_expectation, submission_files


def _check_lab_modules(spec: LabSpec, files: Mapping[PurePosixPath, SourceFile], name: str) -> None:
    """Every ``lab:module.Class`` must be a class in checks/module.py. Parsed, never imported, on this side."""
    for criterion in spec.rubric.criteria:
        for use in criterion.checks:
            if not use.check.startswith("lab:"):
                continue
            module, _, cls = use.check[4:].partition(".")
            source = files.get(PurePosixPath("checks", f"{module}.py"))
            if source is None:
                raise SpecError(f"{name}: criterion {criterion.id}: checks/{module}.py is missing")
            names = {n.name for n in ast.parse(source.data).body if isinstance(n, ast.ClassDef)}
            if cls not in names:
                raise SpecError(f"{name}: criterion {criterion.id}: checks/{module}.py has no class {cls!r}")


def load_lab(root: Path) -> LabContent:
    """Read and validate a lab folder. Raises SpecError."""
    path = root / "lab.yaml"
    if not path.is_file():
        raise SpecError(f"{path}: no such file", "A lab folder needs a lab.yaml; `seatrial lab new` makes one.")
    spec = parse(LabSpec, path.read_text("utf-8"), str(path))
    if spec.id != root.name:
        raise SpecError(f"{path}:1: id: {spec.id!r} must equal the folder's name {root.name!r}")
    files = read_folder(root)
    for needed in ("README.md", spec.contract, "starter/Dockerfile", "submissions/reference/Dockerfile"):
        if PurePosixPath(needed) not in files:
            raise SpecError(f"{root / needed}: no such file", "Every lab needs it.")
    if spec.baseline and PurePosixPath("baseline/Dockerfile") not in files:
        raise SpecError(f"{root}/baseline/Dockerfile: no such file", "A lab with a baseline ships it there.")
    _check_lab_modules(spec, files, str(path))
    content = LabContent(spec, files, tree_digest(files))
    ids = {c.id for c in spec.rubric.criteria}
    for submission in content.submissions():
        expected = load_expectation(content, submission)
        if unknown := set(expected.fails) - ids:
            raise SpecError(f"{root}/submissions/{submission}/expect.yaml: unknown criteria {sorted(unknown)}")
        submission_files(content, submission)
    return content


class _Skills(BaseModel):
    skills: list[Skill]


def load_skills(content: Path) -> list[Skill]:
    """``content/skills.yaml``. Raises SpecError."""
    path = content / "skills.yaml"
    return parse(_Skills, path.read_text("utf-8"), str(path)).skills


class _Planned(RootModel[dict[str, str]]):
    pass


def load_planned(content: Path) -> dict[str, str]:
    """``planned.yaml`` of a content folder: titles of labs that nobody has written yet, by id. Raises SpecError."""
    path = content / "planned.yaml"
    return dict(parse(_Planned, path.read_text("utf-8"), str(path)).root) if path.is_file() else {}


def load_tracks(content: Path) -> list[Track]:
    """``content/tracks/*.yaml``, sorted by file name. Raises SpecError."""
    return [parse(Track, p.read_text("utf-8"), str(p)) for p in sorted((content / "tracks").glob("*.yaml"))]
