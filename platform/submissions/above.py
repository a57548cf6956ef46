"""What the apps above add to runs: panels on a run's page, and which runs others may see.

They register when they are ready. So runs know neither their names nor their tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from submissions.models import GradingRun, RunQuerySet


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a run's page. The template finds ``context`` as ``panel.context``."""

    template: str
    context: dict[str, Any]


PanelOf = Callable[[GradingRun, bool], Panel | None]
"""From a run, and whether its own learner looks at it."""
Narrow = Callable[[RunQuerySet], RunQuerySet]
"""From runs to those of them that others may see."""
_panels: dict[str, PanelOf] = {}
_shown: dict[str, Narrow] = {}


def register(name: str, *, panel: PanelOf, shown: Narrow) -> None:
    """Add what one app has to say. Doing it twice changes nothing."""
    _panels[name], _shown[name] = panel, shown


def panels_of(run: GradingRun, own: bool) -> list[Panel]:
    """What stands beside a verdict."""
    found = (panel(run, own) for panel in _panels.values())
    return [panel for panel in found if panel is not None]


def shown_among(runs: RunQuerySet) -> set[GradingRun]:
    """Those of ``runs`` that somebody else than their learner and instructors may see."""
    return {run for narrow in _shown.values() for run in narrow(runs)}
