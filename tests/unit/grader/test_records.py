"""Records of proofs: what keeps one, what makes it void, and what is no part of the lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.cli import skeleton
from grader.errors import SpecError
from grader.lab import LabContent, load_expectation, load_lab
from grader.proving import records
from grader.proving.cheats import Cheat, load_cheats
from grader.proving.departures import Departure
from grader.proving.prove import Proof
from grader.result import RunResult, Verdict

NAMES = ["starter", "reference", "wrong_upper", "cheat_nap"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labs").mkdir()
    cheat = tmp_path / "cheats" / "nap"
    cheat.mkdir(parents=True)
    (cheat / "cheat.yaml").write_text("because: it sleeps\nover: wrong\n")
    (cheat / "sitecustomize.py").write_text("import time\n")
    return skeleton.create(tmp_path / "labs", "my-lab")


def cheats_of(folder: Path) -> list[Cheat]:
    return load_cheats(folder.parents[1])


def proof_of(lab: LabContent, name: str, *departures: Departure) -> Proof:
    expectation = load_expectation(lab, "reference")
    result = RunResult(
        lab=lab.spec.id,
        lab_version=lab.digest,
        grader_version="1",
        seed="s",
        verdict=Verdict.PASSED,
        score=100,
    )
    return Proof(lab.spec.id, name, expectation, result, list(departures))


def prove_all(folder: Path) -> None:
    lab = load_lab(folder)
    for name in NAMES:
        records.keep(folder, lab, proof_of(lab, name), cheats_of(folder))


def standing(folder: Path) -> records.Standing:
    return records.standing(folder, load_lab(folder), cheats_of(folder))


def test_a_lab_is_proven_when_everything_of_it_is(folder: Path) -> None:
    assert standing(folder).words == "draft: 0 of 4 proven"
    before = load_lab(folder).digest
    prove_all(folder)
    assert standing(folder).words == "proven"
    assert standing(folder).whole
    assert load_lab(folder).digest == before, "a record is no part of the lab"


def replace(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _append(path: Path, line: str = "# changed") -> None:
    path.write_text(path.read_text() + f"{line}\n")


def _touch(folder: Path, where: str) -> None:
    (folder / where / "extra.txt").write_text("changed")


def _weights(folder: Path) -> None:
    replace(folder, "lab.yaml", "weight: 40", "weight: 30")
    replace(folder, "lab.yaml", "weight: 60", "weight: 70")


SCHEMA = (
    "            schema: {type: object, required: [text], properties: {text: {type: string}}}\n    "
    "  responses"
)
EXAMPLE = (
    SCHEMA,
    SCHEMA.replace("      responses", "            example: {text: abc}\n      responses"),
)
CHANGES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a hint": (lambda f: _append(f / "hints" / "1-reverse.md"), []),
    "the brief": (lambda f: _append(f / "README.md"), []),
    "a title": (lambda f: replace(f, "lab.yaml", "title: A new lab", "title: Another"), []),
    "the starter": (lambda f: _touch(f, "starter"), ["starter"]),
    "a check": (lambda f: _append(f / "checks" / "cases.py", "changed = 1"), NAMES),
    "a comment in a check": (lambda f: _append(f / "checks" / "cases.py"), []),
    "a weight": (_weights, NAMES),
    "a limit": (lambda f: replace(f, "lab.yaml", "memory_mb: 256", "memory_mb: 300"), NAMES),
    "a schema of the contract": (
        lambda f: replace(f, "openapi.yaml", "{type: string}", "{type: [string]}"),
        NAMES,
    ),
    "a property that is called title": (
        lambda f: replace(f, "openapi.yaml", "{text: {", "{title: {}, text: {"),
        NAMES,
    ),
    "the contract's words": (
        lambda f: replace(f, "openapi.yaml", "The text, reversed", "The text backwards"),
        [],
    ),
    "an example": (lambda f: replace(f, "openapi.yaml", *EXAMPLE), []),
    "the reference": (
        lambda f: _touch(f, "submissions/reference"),
        ["reference", "wrong_upper", "cheat_nap"],
    ),
    "a cheat": (
        lambda f: _append(f.parents[1] / "cheats" / "nap" / "sitecustomize.py", "changed = 1"),
        ["cheat_nap"],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_voids_what_it_could_change(folder: Path, what: str) -> None:
    prove_all(folder)
    change, voided = CHANGES[what]
    change(folder)
    assert standing(folder).changed == voided


def test_a_proof_that_does_not_hold_takes_the_record_away(folder: Path) -> None:
    prove_all(folder)
    lab = load_lab(folder)
    records.keep(folder, lab, proof_of(lab, "reference", Departure("it failed")), cheats_of(folder))
    assert standing(folder).missing == ["reference"]


def test_a_new_wrong_submission_has_to_be_proven(folder: Path) -> None:
    prove_all(folder)
    new = folder / "submissions" / "wrong_new"
    new.mkdir()
    (new / "expect.yaml").write_text(
        (folder / "submissions" / "wrong_upper" / "expect.yaml").read_text()
    )
    assert standing(folder).missing == ["wrong_new"]


def test_criteria_that_nobody_breaks_are_named(folder: Path) -> None:
    assert records.unbroken(load_lab(folder)) == ["contract"]


def test_a_record_that_can_not_be_read_says_what_to_do(folder: Path) -> None:
    (folder / "proof.json").write_text("{")
    with pytest.raises(SpecError, match="can't be read") as caught:
        standing(folder)
    assert "lab verify" in caught.value.advice


def test_files_as_they_were_proven_are_not_parsed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syntax trees take time, and a site looks at all of its labs whenever it starts."""
    prove_all(folder)

    def never(*_: object) -> None:
        raise AssertionError("a file was parsed")

    monkeypatch.setattr(records, "meanings", never)
    assert standing(folder).whole
    _append(folder / "checks" / "cases.py")
    with pytest.raises(AssertionError, match="a file was parsed"):
        standing(folder)
