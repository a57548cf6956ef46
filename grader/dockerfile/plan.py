"""What comes out of reading a Dockerfile: a plan for the engine, or faults for the learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.errors import DockerfileRefused

MAX_FAULTS = 30
"""More than anybody mends in one go. The rest is counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``line`` is 0 when it is wrong with the project as a whole."""

    line: int
    what: str
    advice: str
    about: str = "Dockerfile"
    """What the fault is in: shown in front of it."""

    @property
    def text(self) -> str:
        where = f"{self.about} line {self.line}: " if self.line else f"{self.about}: "
        return f"{where if self.about else ''}{self.what}."


class Refusal(Exception):
    """Raised while an instruction is read; the line is known to the caller."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def refused(faults: list[Fault]) -> DockerfileRefused:
    """The error for all faults at once: a line of its message for each, with what to do about
    it.
    """
    if len(faults) == 1:
        return DockerfileRefused(faults[0].text, faults[0].advice)
    told = [f"{fault.text} {fault.advice}" for fault in faults[:MAX_FAULTS]]
    if len(faults) > MAX_FAULTS:
        told.append(f"And {len(faults) - MAX_FAULTS} more.")
    return DockerfileRefused("\n".join(told), "Mend all of them, then try again.")


@dataclass(frozen=True, slots=True)
class ModeCopy:
    """Files of the project that stand in the context a second time, with another mode.

    ``folder``: where in the context. ``sources``: paths and patterns, from the root of the project.
    """

    folder: str
    mode: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The Dockerfile as the daemon gets it.

    ``steps`` has one text for each line of ``text``: what the learner wrote there, empty for a step
    of ours. ``notes`` say what was ignored or translated, for the build log. ``files`` are put into
    the build context: path to bytes and mode. ``volumes``: folders over which a run mounts a tmpfs.
    """

    text: str
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)
    modes: tuple[ModeCopy, ...] = ()
    volumes: tuple[str, ...] = ()
