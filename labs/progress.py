"""How a person stands in the labs.

``submissions`` provides the answer, so that labs import nothing above them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as lists show it.

    ``name``: "attempt 3" or "try". ``outcome``: a badge's word. ``against``: what it was held to
    fail.
    """

    pk: int
    url: str
    name: str
    counts: bool
    outcome: str
    score: float | None
    against: str
    when: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands in one lab: ``best`` outcome so far, and the newest run."""

    best: str
    last: RunRow


@dataclass(frozen=True, slots=True)
class OwnRuns:
    """A person's runs of one lab, newest first, and the newest outcome of each criterion."""

    rows: Sequence[RunRow] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)


class Progress(Protocol):
    """What the provider answers. ``user`` may be anonymous: then everything is empty."""

    def standings(self, user: Any) -> Mapping[str, Standing]: ...
    def own_runs(self, user: Any, slug: str) -> OwnRuns: ...


class _Nothing:
    def standings(self, user: Any) -> Mapping[str, Standing]:  # noqa: ARG002
        return {}

    def own_runs(self, user: Any, slug: str) -> OwnRuns:  # noqa: ARG002
        return OwnRuns()


_provider: Progress = _Nothing()


def provide(provider: Progress) -> None:
    """Called once when the app that knows about runs is ready."""
    global _provider  # noqa: PLW0603  one provider per process, set while Django starts
    _provider = provider


def standings(user: Any) -> Mapping[str, Standing]:
    """The person's standing in each lab with a run, by slug."""
    return _provider.standings(user)


def own_runs(user: Any, slug: str) -> OwnRuns:
    """The person's runs of one lab."""
    return _provider.own_runs(user, slug)
