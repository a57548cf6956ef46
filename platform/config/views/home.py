"""The front page: for strangers what this is, with the numbers of this installation; for learners
where they stand.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labs import progress
from labs.models import Lab, Track
from labs.views.lab_list import Card, carry_on, lab_cards
from portfolios.models import PortfolioEntry
from submissions.models import GradingRun
from submissions.progress import row_of
from webui.cached import figure

TERMINAL_START = (
    "$ ./seatrial up\n$ ./seatrial lab list\n$ ./seatrial grade llm-serving path/to/project"
)
TERMINAL_GRADE = """$ ./seatrial grade rag-service path/to/project

# builds the container, starts it in a sealed pod, checks
# every criterion, prints each value against its rule"""


FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 26 26"><circle cx="13" cy="13" r="8.5" fill="none" '
    'stroke="#7b93aa" stroke-width="3"/><path d="M0 13h26" stroke="#e8590c" stroke-width="3.4"/></svg>'
)
ROBOTS = "User-agent: *\nDisallow: /accounts/\nDisallow: /admin/\nDisallow: /runs/\n"
LAST_VERDICTS = 5


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Who is signed in gets a dashboard, everybody else the introduction."""
    return dashboard(request) if request.user.is_authenticated else about(request)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        FAVICON, content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"}
    )


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


def dashboard(request: HttpRequest) -> HttpResponse:
    """Carry on, the next lab of the track, what is under way, the last verdicts."""
    runs = GradingRun.objects.shown().filter(learner=request.user.pk)
    standings = progress.standings(request.user)
    cards = lab_cards({}, standings)
    going_on = list(runs.unfinished().listed())
    context = {
        "nav_current": "home",
        "carry_on": carry_on(cards),
        "next": next_of_track(cards),
        "passed": sum(card.state == "passed" for card in cards),
        "installed": len(cards),
        "going_on": [(row_of(run), run) for run in going_on],
        "verdicts": [
            (row_of(run), run) for run in runs.exclude(verdict="").listed()[:LAST_VERDICTS]
        ],
    }
    return render(request, "webui/dashboard.html", context)


def next_of_track(cards: list[Card]) -> tuple[Track, Card] | None:
    """The first lab without a pass of the track in which most is passed.

    None when nothing is left anywhere.
    """
    by_slug = {card.slug: card for card in cards}
    best: tuple[int, Track, Card] | None = None
    for track in Track.objects.all():
        installed = [by_slug[slug] for slug in track.labs if slug in by_slug]
        left = [card for card in installed if card.state != "passed"]
        if left and (best is None or len(installed) - len(left) > best[0]):
            best = (len(installed) - len(left), track, left[0])
    return best and best[1:]


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """What this is, for everybody."""
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
    """Return the newest published measurement with a plot: entry, title of the lab, series.

    None when there is none.
    """
    public = (
        PortfolioEntry.objects.shown()
        .filter(portfolio__is_public=True)
        .order_by("-run__finished_at")
    )
    for entry in public[:5]:
        for result in entry.run.check_results.all():
            for series in result.payload.get("series") or []:
                return {
                    "entry": entry,
                    "lab": entry.run.lab_version.spec_model.title,
                    "series": series,
                }
    return None
