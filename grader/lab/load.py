"""Reading a lab folder, and what lies beside the labs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, RootModel

from grader.errors import SpecError
from grader.lab.content import LabContent, read_folder, tree_digest
from grader.lab.contract import refuse_unreadable
from grader.lab.models import LabSpec, Skill, Track
from grader.lab.parse import parse
from grader.lab.references import refuse_same_numbers, refuse_unknown, refuse_unknown_skills
from grader.lab.submissions import load_expectation, submission_files


def load_lab(root: Path) -> LabContent:
    """Read and validate a lab folder. Raises SpecError."""
    path = root / "lab.yaml"
    if not path.is_file():
        raise SpecError(
            f"{path}: no such file", "A lab folder needs a lab.yaml; `seatrial lab new` makes one."
        )
    spec = parse(LabSpec, path.read_text("utf-8"), str(path))
    if spec.id != root.name:
        raise SpecError(f"{path}:1: id: {spec.id!r} must equal the folder's name {root.name!r}")
    files = read_folder(root)
    for needed in (
        "README.md",
        spec.contract,
        "starter/Dockerfile",
        "submissions/reference/Dockerfile",
    ):
        if PurePosixPath(needed) not in files:
            raise SpecError(f"{root / needed}: no such file", "Every lab needs it.")
    if spec.baseline and PurePosixPath("baseline/Dockerfile") not in files:
        raise SpecError(
            f"{root}/baseline/Dockerfile: no such file", "A lab with a baseline ships it there."
        )
    refuse_unknown(spec, files, str(path))
    contract = files[PurePosixPath(spec.contract)].data.decode("utf-8", "replace")
    refuse_unreadable(contract, str(root / spec.contract))
    content = LabContent(spec, files, tree_digest(files))
    ids = {c.id for c in spec.rubric.criteria}
    for submission in content.submissions():
        expected = load_expectation(content, submission)
        if unknown := set(expected.fails) - ids:
            raise SpecError(
                f"{root}/submissions/{submission}/expect.yaml: unknown criteria {sorted(unknown)}"
            )
        submission_files(content, submission)
    return content


@dataclass
class Labs:
    """All labs of a content folder: those that can be published, and what is wrong with the
    others.
    """

    good: list[LabContent] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    """By the name of the folder: its faults, one on a line."""


def load_labs(content: Path) -> Labs:
    """Every lab below ``content``, by number. One broken lab keeps no other back."""
    found = Labs()
    texts: dict[str, str] = {}
    for path in sorted((content / "labs").glob("*/lab.yaml")):
        try:
            found.good.append(load_lab(path.parent))
            texts[str(path)] = path.read_text("utf-8")
        except (SpecError, OSError, UnicodeDecodeError) as error:
            found.broken[path.parent.name] = (
                error.message if isinstance(error, SpecError) else f"{path}: {error}"
            )
    found.good.sort(key=lambda lab: (lab.spec.number, lab.spec.id))
    _set_aside(found, _faults_among(found.good, texts, content))
    return found


def _faults_among(labs: list[LabContent], texts: Mapping[str, str], content: Path) -> list[str]:
    """What only all labs together show: unknown skills, numbers that stand twice."""
    specs = {str(content / "labs" / lab.spec.id / "lab.yaml"): lab.spec for lab in labs}
    faults = refuse_same_numbers(specs, texts)
    if (content / "skills.yaml").is_file():
        with suppress(SpecError):  # told where the skills are read
            faults += refuse_unknown_skills(
                specs, texts, [skill.id for skill in load_skills(content)]
            )
    return faults


def _set_aside(found: Labs, faults: list[str]) -> None:
    for fault in faults:
        name = Path(fault.partition("lab.yaml:")[0]).name
        found.broken[name] = "\n".join(filter(None, (found.broken.get(name, ""), fault)))
    found.good = [lab for lab in found.good if lab.spec.id not in found.broken]


class _Skills(BaseModel):
    skills: list[Skill]


def load_skills(content: Path) -> list[Skill]:
    """``content/skills.yaml``. Raises SpecError."""
    path = content / "skills.yaml"
    return parse(_Skills, path.read_text("utf-8"), str(path)).skills


class _Planned(RootModel[dict[str, str]]):
    pass


def load_planned(content: Path) -> dict[str, str]:
    """``planned.yaml`` of a content folder: titles of labs that nobody has written yet, by id.

    Raises SpecError.
    """
    path = content / "planned.yaml"
    return dict(parse(_Planned, path.read_text("utf-8"), str(path)).root) if path.is_file() else {}


def load_tracks(content: Path) -> list[Track]:
    """``content/tracks/*.yaml``, sorted by file name. Raises SpecError."""
    return [
        parse(Track, p.read_text("utf-8"), str(p))
        for p in sorted((content / "tracks").glob("*.yaml"))
    ]
