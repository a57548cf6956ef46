"""What is known of a Dockerfile while it is written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.dockerfile.bases import Bases
from grader.dockerfile.plan import ModeCopy, Refusal

SHELL = ["/bin/sh", "-c"]
MAX_LINE = 60_000
"""Bytes of a line that we write: the daemon reads lines of up to 64 KiB."""


@dataclass(slots=True)
class Stage:
    """``name`` is the learner's, or empty; ``alias`` is how the rewritten file calls it."""

    name: str
    alias: str
    begins: int
    """Where its FROM stands in what was written."""
    shell: list[str] = field(default_factory=lambda: list(SHELL))
    volumes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copied:
    """Sources that a line takes from the project: paths and patterns, from its root."""

    line: int
    keyword: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """What a RUN, CMD or ENTRYPOINT runs: an exec form as a list, else the line for the shell."""

    line: int
    keyword: str
    words: tuple[str, ...] = ()
    text: str = ""


@dataclass(slots=True)
class State:
    bases: Bases
    labels: Mapping[str, str]
    prelude: tuple[str, ...] = ()
    """Instructions of ours behind each FROM and its labels."""
    out: list[tuple[str, str]] = field(default_factory=list)
    """(line for the daemon, what is shown for it)."""
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    modes: list[ModeCopy] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    """ARGs before the first FROM, with their defaults."""
    stages: list[Stage] = field(default_factory=list)
    copied: list[Copied] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    _notes: dict[str, list[int]] = field(default_factory=dict)

    def emit(self, line: str, shown: str = "") -> None:
        """Write one instruction.

        ``shown``: how the log names the step; a step of ours has no name.
        """
        if len(line.encode()) > MAX_LINE:
            raise Refusal("it is too long", "Move long scripts into files of the project.")
        if line.endswith("\\"):  # the daemon would join the next line to it
            raise Refusal("it ends in a backslash", "Remove it.")
        self.out.append((line, shown))

    def stage_before(self, source: str, instructions: list[str]) -> str:
        """Write a stage of ours in front of the open one. Returns its name."""
        alias = f"ours-{len(self.out)}"
        lines = [f"FROM {source} AS {alias}", self.label(), *instructions]
        self.out[self.stage.begins : self.stage.begins] = [(line, "") for line in lines]
        self.stage.begins += len(lines)
        return alias

    def label(self) -> str:
        """Our own labels, or intermediate containers and failed images would carry none."""
        return "LABEL " + " ".join(f"{k}={json.dumps(v)}" for k, v in self.labels.items())

    def note(self, line: int, text: str) -> None:
        """Something that was ignored or translated.

        The same text is said once, with all its lines.
        """
        self._notes.setdefault(text, []).append(line)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"{'Line' if len(lines) == 1 else 'Lines'} {', '.join(map(str, lines))}: {text}"
            for text, lines in self._notes.items()
        )

    @property
    def stage(self) -> Stage:
        return self.stages[-1]

    def earlier(self, name: str) -> Stage | None:
        """A stage that is over, by its name or number: for the open one the daemon would look for
        an image.
        """
        over = self.stages[:-1]
        if name.isascii() and name.isdigit():
            number = int(name) if len(name) < 4 else len(over)
            return over[number] if number < len(over) else None
        return next((stage for stage in over if stage.name and stage.name == name.lower()), None)

    def source_of(self, name: str, flag: str = "COPY --from") -> str:
        """What ``--from=name`` becomes: one of our names for stages, or an image id.

        Raises Refusal.
        """
        if stage := self.earlier(name):
            return stage.alias
        held = None if name.isdigit() or "$" in name else self.bases.resolve(name)
        if held is None:
            what = f"{flag}={name[:80]} is neither an earlier stage nor an allowed image"
            raise Refusal(what, f"Name an earlier stage with AS. {self.bases.refusal(name)}")
        return held
