"""Records of proofs: which submission of a lab was graded as expected, for which state of its
files.

``proof.json`` stands beside lab.yaml and is committed with it; it is no part of the lab's digest. A
record holds for a
key over everything that decides that one verdict, so a change of a hint or of another submission
leaves it standing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from grader import __version__
from grader.errors import SpecError
from grader.lab import (
    LabContent,
    LabSpec,
    SourceFile,
    load_expectation,
    submission_files,
    tree_digest,
)
from grader.lab.content import RECORD
from grader.proving.cheats import PREFIX, Cheat
from grader.proving.meaning import meanings
from grader.result import Frozen

if TYPE_CHECKING:
    from grader.proving.prove import Proof

DECIDES_NOTHING = {"title", "summary", "number", "version", "level", "hours", "skills", "rules"}
WORDS = {"title", "what", "rule", "hint"}
"""Of a criterion: what pages show, and no check reads."""
TOLD = {"info", "summary", "description", "title", "example", "examples", "x-shortened"}
"""Of a contract: what people read, and no answer is held against."""


class Proved(Frozen):
    """One submission that got what was expected of it."""

    key: str
    exact: str = ""
    """The same key over the files as they are. It is looked at first: a syntax tree takes time."""
    expected: str
    got: str
    score: float
    seed: str
    seconds: float
    grader: str
    on: str


class Record(Frozen):
    """All of one lab, by the name of the submission."""

    proofs: dict[str, Proved] = {}


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a lab is proven: names of its submissions and of the cheats."""

    proven: list[str]
    changed: list[str]
    """Proven once, and changed since then."""
    missing: list[str]

    @property
    def whole(self) -> bool:
        return not self.changed and not self.missing

    @property
    def words(self) -> str:
        count = len(self.proven) + len(self.changed) + len(self.missing)
        return "proven" if self.whole else f"draft: {len(self.proven)} of {count} proven"


def read(folder: Path) -> Record:
    """The record of a lab folder; empty without one.

    Raises SpecError for one that can't be read.
    """
    path = folder / RECORD
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Record()
    except (ValidationError, OSError) as error:
        raise SpecError(
            f"{path}: can't be read: {error}", "Remove it, and run `./seatrial lab verify` again."
        ) from None


def keep(folder: Path, lab: LabContent, proof: Proof, cheats: Sequence[Cheat]) -> None:
    """Write down a proof that holds; take away one that does not."""
    proofs = dict(read(folder).proofs)
    proofs.pop(proof.submission, None)
    if proof.holds:
        proofs[proof.submission] = Proved(
            key=key_of(lab, proof.submission, cheats),
            exact=Keys(lab, cheats, exact=True).of(proof.submission),
            expected=proof.expected,
            got=proof.got,
            score=proof.result.score,
            seed=proof.result.seed,
            seconds=round(proof.result.seconds, 1),
            grader=__version__,
            on=datetime.now(UTC).date().isoformat(),
        )
    _write(folder / RECORD, Record(proofs={name: proofs[name] for name in sorted(proofs)}))


def _write(path: Path, record: Record) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    os.replace(fresh, path)


def standing(folder: Path, lab: LabContent, cheats: Sequence[Cheat]) -> Standing:
    """Which proofs of the lab as it is now are on record."""
    record, found = read(folder), Standing([], [], [])
    exact, by_meaning = Keys(lab, cheats, exact=True), Keys(lab, cheats)
    for name in names_of(lab, cheats):
        kept = record.proofs.get(name)
        if kept is None:
            found.missing.append(name)
        elif kept.exact == exact.of(name) or kept.key == by_meaning.of(name):
            found.proven.append(name)
        else:
            found.changed.append(name)
    return found


def names_of(lab: LabContent, cheats: Sequence[Cheat]) -> list[str]:
    """Everything that has to be proven."""
    return ["starter", *lab.submissions(), *(PREFIX + cheat.name for cheat in cheats)]


def unbroken(lab: LabContent) -> list[str]:
    """Criteria that no wrong submission breaks: nobody knows whether they can fail."""
    wrong = [name for name in lab.submissions() if name != "reference"]
    broken = {criterion for name in wrong for criterion in load_expectation(lab, name).fails}
    return [c.id for c in lab.spec.rubric.criteria if c.id not in broken]


def key_of(lab: LabContent, name: str, cheats: Sequence[Cheat]) -> str:
    """sha256 hex over what decides the verdict of one submission: spec, checks, contract, baseline,
    its own files.

    Python files count by what they do, so a line that is broken elsewhere costs no proof.
    """
    return Keys(lab, cheats).of(name)


class Keys:
    """Keys of one lab. What all of them share is worked out once.

    ``exact``: Python files count as they stand.
    """

    def __init__(self, lab: LabContent, cheats: Sequence[Cheat], exact: bool = False) -> None:
        self._lab, self._exact = lab, exact
        self._cheats = {PREFIX + cheat.name: cheat for cheat in cheats}

    def of(self, name: str) -> str:
        total = self._shared.copy()
        if cheat := self._cheats.get(name):
            total.update(self._digest(cheat.files) + cheat.spec.model_dump_json().encode())
            total.update(self._digest(submission_files(self._lab, "reference")))
            return total.hexdigest()
        total.update(self._digest(submission_files(self._lab, name)))
        if name != "starter":
            expected = load_expectation(self._lab, name)
            told = expected.model_dump(mode="json", exclude={"because", "edits"})
            total.update(json.dumps(told, sort_keys=True).encode())
        return total.hexdigest()

    @cached_property
    def _shared(self) -> hashlib._Hash:
        lab, total = self._lab, hashlib.sha256()
        total.update(json.dumps(_decisive(lab.spec), sort_keys=True).encode())
        judging = {p: f for p, f in lab.files.items() if p.parts[0] in ("checks", "baseline")}
        total.update(self._digest(judging, docstrings=False) + _contract(lab))
        return total

    def _digest(self, files: Mapping[PurePosixPath, SourceFile], docstrings: bool = True) -> bytes:
        return tree_digest(files if self._exact else meanings(files, docstrings)).encode()


def _contract(lab: LabContent) -> bytes:
    """The lab's OpenAPI document without its words and examples; as it stands when it can't be
    read.
    """
    data = lab.files[PurePosixPath(lab.spec.contract)].data
    try:
        return json.dumps(_shapes(yaml.safe_load(data)), sort_keys=True).encode()
    except (yaml.YAMLError, RecursionError, TypeError):
        return data


def _shapes(node: object, names: bool = False) -> object:
    """Without what only people read.

    ``names``: the keys are an author's own names, such as those of properties.
    """
    if isinstance(node, list):
        return [_shapes(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        str(key): _shapes(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or key not in TOLD
    }


def _decisive(spec: LabSpec) -> dict[str, object]:
    told = spec.model_dump(mode="json", exclude=DECIDES_NOTHING)
    for criterion in told["rubric"]["criteria"]:
        for word in WORDS:
            criterion.pop(word, None)
    return told
