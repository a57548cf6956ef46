"""Reading a lab folder. Errors name file, line and field, so an author can jump to them."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from grader.errors import SpecError
from grader.spec.models import Expectation, LabSpec, Skill, Track

Model = TypeVar("Model", bound=BaseModel)
IGNORED = frozenset({"__pycache__", ".DS_Store", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"})
MAX_FILE = 4 << 20
STARTER, REFERENCE = "starter", "reference"
EXPECT = PurePosixPath("expect.yaml")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One regular file of a source tree."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class LabContent:
    """A lab as it was published: its spec, every file of its folder, and the sha256 over them."""

    spec: LabSpec
    files: Mapping[PurePosixPath, SourceFile]
    digest: str

    def under(self, folder: str) -> dict[PurePosixPath, SourceFile]:
        """The files below ``folder``, with paths relative to it."""
        root = PurePosixPath(folder)
        return {p.relative_to(root): f for p, f in self.files.items() if p.is_relative_to(root) and p != root}

    def submissions(self) -> list[str]:
        """Names of the proving submissions: ``reference`` first, then ``wrong_*`` by name."""
        names = {p.parts[1] for p in self.files if len(p.parts) > 2 and p.parts[0] == "submissions"}
        return sorted(names, key=lambda name: (name != REFERENCE, name))

    def submission(self, name: str) -> dict[PurePosixPath, SourceFile]:
        """The starter or a proving submission, as a learner would upload it. A wrong one holds only what differs from
        the reference and is laid over it, so that nothing else can be what makes it fail."""
        if name == STARTER:
            return self.under(STARTER)
        files = self.under(f"submissions/{REFERENCE}") | self.under(f"submissions/{name}")
        return {path: file for path, file in files.items() if path != EXPECT}


def tree_digest(files: Mapping[PurePosixPath, SourceFile]) -> str:
    """sha256 hex over sorted paths, modes and contents, each length-prefixed so that no two trees collide."""
    total = hashlib.sha256()
    for path in sorted(files, key=str):
        file = files[path]
        name = str(path).encode()
        total.update(b"%d:%b%d%d:" % (len(name), name, file.executable, len(file.data)))
        total.update(file.data)
    return total.hexdigest()


def read_folder(root: Path) -> dict[PurePosixPath, SourceFile]:
    """Every regular file below ``root``, without caches. Symbolic links are refused."""
    files: dict[PurePosixPath, SourceFile] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if IGNORED & set(relative.parts) or path.suffix == ".pyc":
            continue
        if path.is_symlink():
            raise SpecError(f"{path}: symbolic links are not allowed in a lab folder", "Copy the file instead.")
        if path.is_file():
            if path.stat().st_size > MAX_FILE:
                raise SpecError(f"{path}: larger than {MAX_FILE >> 20} MiB", "Generate large data from the seed.")
            files[PurePosixPath(relative.as_posix())] = SourceFile(path.read_bytes(), bool(path.stat().st_mode & 0o111))
    return files


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest part of ``location`` that exists in the YAML tree."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def parse(model: type[Model], text: str, name: str) -> Model:
    """YAML text as a model. Raises SpecError: ``name:line: field: what is wrong``, one line per problem."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{name}:{line}: not valid YAML: {error.problem}", "Mend the YAML at this line.") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{name}:1: not valid YAML: {error}", "Mend the YAML.") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{name}:{_line_of(tree, e['loc'])}: {'.'.join(map(str, e['loc'])) or '(whole file)'}: {e['msg']}"
            for e in error.errors()
        ]
        raise SpecError("\n".join(lines), "Mend these fields; `seatrial lab new` shows a valid lab.") from None


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
    return content


def load_expectation(lab: LabContent, submission: str) -> Expectation:
    """``submissions/<name>/expect.yaml``. Raises SpecError."""
    path = PurePosixPath("submissions", submission) / EXPECT
    if path not in lab.files:
        raise SpecError(f"{lab.spec.id}/{path}: no such file", "Say which criteria this submission fails.")
    return parse(Expectation, lab.files[path].data.decode(), f"{lab.spec.id}/{path}")


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
