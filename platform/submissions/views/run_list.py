"""A learner's own runs, newest first."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from submissions.models import GradingRun
from submissions.progress import row_of
from submissions.views.access import viewer

PER_PAGE = 25


@login_required
@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    runs = GradingRun.objects.shown().filter(learner=viewer(request)).listed()
    page = Paginator(runs, PER_PAGE).get_page(request.GET.get("page"))
    rows = [(row_of(run), run) for run in page]
    return render(
        request, "submissions/run_list.html", {"nav_current": "runs", "page": page, "rows": rows}
    )
