"""The library of cheats: files laid over a submission of any lab, which must gain nothing by them.

``content/cheats/<name>/`` holds ``cheat.yaml`` and the files. They come to /opt/cheat in the image,
which is the first
place where Python looks for modules: ``sitecustomize.py`` runs before the service does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from grader.errors import SpecError
from grader.job import Snapshot
from grader.lab import (
    Expectation,
    LabContent,
    SourceFile,
    load_expectation,
    parse,
    read_folder,
    tree_digest,
)
from grader.result import Frozen

PREFIX = "cheat_"
RECIPE = b"\nCOPY cheat /opt/cheat\nENV PYTHONPATH=/opt/cheat\n"


class CheatSpec(Frozen):
    """``cheat.yaml``. ``over``: a wrong submission, which must still fail on what it breaks, or the
    reference, which must not pass any more.
    """

    because: str
    over: Literal["wrong", "reference"]


@dataclass(frozen=True, slots=True)
class Cheat:
    name: str
    spec: CheatSpec
    files: dict[PurePosixPath, SourceFile]

    def base(self, lab: LabContent, seed: str) -> str:
        """The submission it is laid over: another wrong one for another seed."""
        if self.spec.over == "reference":
            return "reference"
        wrong = [name for name in lab.submissions() if name.startswith("wrong_")]
        return random.Random(f"{seed}\0{self.name}").choice(wrong)

    def over(self, snapshot: Snapshot) -> Snapshot:
        """The submission with the cheat in it."""
        docker = PurePosixPath("Dockerfile")
        files = dict(snapshot.files)
        files |= {PurePosixPath("cheat") / path: file for path, file in self.files.items()}
        files[docker] = SourceFile(files[docker].data + RECIPE)
        return Snapshot(files, tree_digest(files))

    def expectation(self, lab: LabContent, base: str) -> Expectation:
        """What must come out; more may fail."""
        fails = load_expectation(lab, base).fails if self.spec.over == "wrong" else []
        return Expectation(
            verdict="failed", because=f"{self.spec.because} (over {base})", fails=fails
        )


def load_cheats(content: Path) -> list[Cheat]:
    """``cheats/*/`` of a content folder, by name. Raises SpecError."""
    found = []
    for path in sorted((content / "cheats").glob("*/cheat.yaml")):
        spec = parse(CheatSpec, path.read_text("utf-8"), str(path))
        files = {
            p: f for p, f in read_folder(path.parent).items() if p != PurePosixPath("cheat.yaml")
        }
        if not files:
            raise SpecError(
                f"{path.parent}: a cheat has files", "Put a sitecustomize.py beside cheat.yaml."
            )
        found.append(Cheat(path.parent.name, spec, files))
    return found
