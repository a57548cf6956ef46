"""The front page, with the numbers of this installation."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labs.models import Lab
from portfolios.models import PortfolioEntry
from submissions.models import GradingRun
from webui.cached import figure

TERMINAL_START = "$ ./seatrial up\n$ ./seatrial lab list\n$ ./seatrial grade llm-serving path/to/project"
TERMINAL_GRADE = """$ ./seatrial grade rag-service path/to/project

# builds the container, starts it in a sealed pod, checks
# every criterion, prints each value against its rule"""


def home(request: HttpRequest) -> HttpResponse:
    finished = GradingRun.objects.filter(state=GradingRun.State.FINISHED)
    context = {
        "labs": Lab.objects.filter(retired=False).exclude(current=None).count(),
        "runs": figure("runs finished", 60, finished.count),
        "specimen": newest_public_plot(),
        "terminal_start": TERMINAL_START,
        "terminal_grade": TERMINAL_GRADE,
        "example_measured": {"value": 0.64, "low": 0.61, "high": 0.68, "unit": "ratio"},
        "example_rule": {"op": "at_most", "threshold": 0.30, "unit": "ratio"},
    }
    return render(request, "webui/home.html", context)


def newest_public_plot() -> dict[str, Any] | None:
    """Return the newest published measurement with a plot: entry, title of the lab, series. None when there is none."""
    public = PortfolioEntry.objects.shown().filter(portfolio__is_public=True).order_by("-run__finished_at")
    for entry in public[:5]:
        for result in entry.run.check_results.all():
            for series in result.payload.get("series") or []:
                return {"entry": entry, "lab": entry.run.lab_version.spec_model.title, "series": series}
    return None
