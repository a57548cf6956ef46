"""What is known of a Dockerfile while it is written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.dockerfile.bases import Bases
from grader.dockerfile.plan import Refusal

SHELL = ["/bin/sh", "-c"]


@dataclass(slots=True)
class Stage:
    """``name`` is the learner's, or empty; ``alias`` is how the rewritten file calls it."""

    name: str
    alias: str
    user: str = ""
    shell: list[str] = field(default_factory=lambda: list(SHELL))


@dataclass(slots=True)
class State:
    bases: Bases
    labels: Mapping[str, str]
    prelude: tuple[str, ...] = ()
    """Instructions of ours behind each FROM and its labels."""
    out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    """ARGs before the first FROM, with their defaults."""
    stages: list[Stage] = field(default_factory=list)
    copied: list[tuple[int, str, list[str]]] = field(default_factory=list)
    """(line, keyword, sources from the context) of every COPY and ADD, for the linter."""
    volumes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """Texts of RUN, CMD and ENTRYPOINT, for the linter."""

    def emit(self, line: str) -> None:
        self.out.append(line)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def stage(self) -> Stage:
        return self.stages[-1]

    @property
    def user(self) -> str:
        return self.stage.user

    def earlier(self, name: str) -> Stage | None:
        """A stage that is over, by its name or number: for the open one the daemon would look for an image."""
        over = self.stages[:-1]
        if name.isascii() and name.isdigit():
            return over[int(name)] if int(name) < len(over) else None
        return next((stage for stage in over if stage.name and stage.name == name.lower()), None)

    def source_of(self, name: str) -> str:
        """What ``COPY --from=name`` becomes. Raises Refusal."""
        if stage := self.earlier(name):
            return stage.alias
        held = None if name.isdigit() or "$" in name else self.bases.resolve(name)
        if held is None:
            what = f"COPY --from={name[:80]} is neither an earlier stage nor an allowed image"
            raise Refusal(what, f"Name an earlier stage with AS. {self.bases.refusal(name)}")
        self.names[held] = name
        return held
