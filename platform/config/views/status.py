"""The state of the installation, for people and for load balancers."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from submissions.models import GradingRun
from submissions.queue import is_stuck, line
from webui.cached import figure
from webui.engine_state import read_engine_state


def database_answers() -> bool:
    """True when a query comes back."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except DatabaseError:
        return False


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when pages can be served.

    A paused engine doesn't take the site down, so it is only reported.
    """
    ok = database_answers()
    body = {
        "status": "ok" if ok else "no database",
        "grading": "ready" if read_engine_state().ready else "paused",
    }
    return JsonResponse(body, status=200 if ok else 503)


@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """Say in words what works, and how long the queue is."""
    waiting = GradingRun.objects.unfinished().values_list("state").order_by()
    states = dict(waiting.annotate(n=Count("pk")))
    finished = GradingRun.objects.filter(state=GradingRun.State.FINISHED)
    head = GradingRun.objects.next_in_line().first()
    context = {
        "database_ok": database_answers(),
        "stuck": is_stuck(head),
        "ahead": line(head) if head else None,
        "queued": states.get(GradingRun.State.QUEUED, 0),
        "running": states.get(GradingRun.State.RUNNING, 0),
        "finished": figure("runs finished", 60, finished.count),
        "oldest": GradingRun.objects.filter(state=GradingRun.State.QUEUED)
        .order_by("created")
        .first(),
        "last": finished.order_by("-finished_at").first(),
    }
    return render(request, "webui/status.html", context)
