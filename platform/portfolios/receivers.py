"""What portfolios do when something happens to runs."""

from __future__ import annotations

from typing import Any

from portfolios.models import PortfolioEntry
from portfolios.services import PUBLISHABLE
from submissions.models import GradingRun


def follow_regrade(sender: Any, pairs: list[tuple[GradingRun, GradingRun]], **_: Any) -> None:  # noqa: ARG001
    """An entry keeps its address and shows the new run. One that can't be shown takes the entry off
    the page: what stands there for employers to see must not be a verdict that nobody stands by any
    more.
    """
    for old, new in pairs:
        entries = PortfolioEntry.objects.filter(run=old).exclude(portfolio__entries__run=new)
        if new.verdict in PUBLISHABLE:
            entries.update(run=new)
        else:
            entries.update(visible=False)
