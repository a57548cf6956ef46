"""What portfolios add to runs: the button that publishes one, and which of them are published."""

from __future__ import annotations

from portfolios.services import PUBLISHABLE
from submissions.above import Panel
from submissions.models import GradingRun, RunQuerySet


def panel(run: GradingRun, own: bool) -> Panel | None:
    """For the learner alone, beside what may be published."""
    if not own or run.trial or run.verdict not in PUBLISHABLE:
        return None
    pinned = run.portfolio_entries.exists()
    return Panel("portfolios/_run_panel.html", {"run": run, "pinned": pinned})


def published(runs: RunQuerySet) -> RunQuerySet:
    """Those that a portfolio shows."""
    return runs.filter(portfolio_entries__visible=True)
