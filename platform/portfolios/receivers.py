"""What portfolios do when something happens to runs."""

from __future__ import annotations

from typing import Any

from portfolios.models import PortfolioEntry
from portfolios.services import PUBLISHABLE
from submissions.models import GradingRun


def follow_regrade(sender: Any, pairs: list[tuple[GradingRun, GradingRun]], **_: Any) -> None:  # noqa: ARG001
    """An entry keeps its address and shows the new run; one whose new run can't be shown stays on the old."""
    for old, new in pairs:
        if new.verdict in PUBLISHABLE:
            entries = PortfolioEntry.objects.filter(run=old).exclude(portfolio__entries__run=new)
            entries.update(run=new)
