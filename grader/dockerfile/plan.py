"""What comes out of reading a Dockerfile: a plan for the engine, or faults for the learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.errors import DockerfileRefused


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``line`` is 0 when it is wrong with the file as a whole."""

    line: int
    what: str
    advice: str

    @property
    def text(self) -> str:
        where = f"Dockerfile line {self.line}: " if self.line else "Dockerfile: "
        return f"{where}{self.what}."


class Refusal(Exception):
    """Raised while an instruction is read; the line is known to the caller."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def refused(faults: list[Fault]) -> DockerfileRefused:
    """The error for all faults at once; its message begins with the first."""
    first = faults[0]
    rest = "".join(f"\n{fault.text} {fault.advice}" for fault in faults[1:])
    return DockerfileRefused(f"{first.text}{rest and ' ' + first.advice}{rest}", first.advice)


@dataclass(frozen=True, slots=True)
class Plan:
    """The Dockerfile as the daemon gets it.

    ``notes`` say what was ignored or translated, for the build log. ``files`` are put into the build context: path to
    bytes. ``names`` maps image ids to the names that the learner wrote.
    """

    text: str
    notes: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
