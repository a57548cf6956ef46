"""The page that goes into a CV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portfolios import reading
from portfolios.views.access import viewer, visible_portfolio


def portfolio(request: HttpRequest, handle: str) -> HttpResponse:
    """Show who, what was deployed and what it survived. 404 unless public or one's own."""
    found = visible_portfolio(request, handle)
    shown = reading.one_per_lab(reading.systems(list(found.entries.all().shown())))
    own = found.user_id == viewer(request).pk
    context = {
        "portfolio": found,
        "systems": shown,
        "totals": reading.totals(shown),
        "skills": reading.skill_rows(shown),
        "own": own,
        "nav_current": "portfolio" if own else "",
    }
    return render(request, "portfolios/portfolio.html", context)
