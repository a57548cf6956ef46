"""The page of a run: live while it goes on, the verdict when it is over. Fragments by ?fragment=NAME."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import Http404
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from submissions import present, queue
from submissions.models import GradingRun, RunEvent
from submissions.views.access import find_run

FRAGMENTS = {name: f"submissions/run_detail/_{name}.html" for name in ("status", "phases", "checks", "log")}


@login_required
@require_safe
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page or one fragment. Only the learner and instructors may see it."""
    run = find_run(request, pk)
    fragment = request.GET.get("fragment", "")
    if fragment and fragment not in FRAGMENTS:
        raise Http404(f"There is no fragment {fragment[:40]!r}.")
    context = _context(request, run)
    if fragment:
        template = FRAGMENTS[fragment]
    else:
        template = "submissions/run_verdict.html" if run.is_over else "submissions/run_live.html"
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


def _context(request: HttpRequest, run: GradingRun) -> dict[str, Any]:
    # The sequence number is read first: what comes after it is announced by the stream.
    newest = run.events.order_by("-seq").values_list("seq", flat=True).first() or 0
    steps = present.progress(run, run.events.exclude(payload__type="log"))
    rows = present.criteria(run, steps.running_check)
    lines = list(run.events.filter(payload__type="log").order_by("-seq")[: present.SHOWN_LINES])
    spec = run.lab_version.spec_model
    decided = [row for row in rows if row.result is not None]
    context = {
        "nav_current": "runs",
        "run": run,
        "spec": spec,
        "lab": run.lab_version.lab,
        "own": run.submission.user_id == request.user.pk,
        "last_seq": newest,
        "phases": steps.phases,
        "phase": next((p for p in steps.phases if p.outcome == "running"), None),
        "rows": rows,
        "decided": len(decided),
        "points": sum(row.result.points for row in decided if row.result),
        "running": next((row for row in rows if row.state == "running"), None),
        "lines": present.log_rows(run, lines[::-1]),
        "line_count": run.events.filter(payload__type="log").count(),
        "others": list(_others(run)[:8]),
    }
    return context | (_verdict(run, rows) if run.is_over else _timing(run))


def _others(run: GradingRun) -> Any:
    same = GradingRun.objects.shown().filter(submission__user=run.submission.user, lab_version__lab=run.lab_version.lab)
    return same.exclude(pk=run.pk).detailed()


def _timing(run: GradingRun) -> dict[str, Any]:
    took = run.took.total_seconds() if run.took else 0.0
    typical = queue.typical_s(run.lab_version.lab_id)
    timing: dict[str, Any] = {"took": took, "typical": typical, "bar": max(typical, took), "now": timezone.now()}
    if run.state == GradingRun.State.QUEUED:
        timing |= {"place": queue.position(run), "wait": queue.wait_s(run)}
    return timing


def _verdict(run: GradingRun, rows: list[present.CriterionRow]) -> dict[str, Any]:
    before = _others(run).filter(pk__lt=run.pk, check_results__isnull=False).order_by("-pk").first()
    return {
        "results": [row.result for row in rows if row.result],
        "failed": [row for row in rows if row.state == "failed"],
        "undecided": [row for row in rows if row.state == "inconclusive"],
        "gates_held": all(row.state == "passed" for row in rows if row.criterion.gate),
        "has_gates": any(row.criterion.gate for row in rows),
        "before": before,
        "changes": present.changes(run, before),
        "repeat": present.grade_command(run),
        "evidence": list(run.evidence.all()),
        "took": run.took.total_seconds() if run.took else None,
        "tail": _tail(run),
    }


def _tail(run: GradingRun) -> list[present.LogRow]:
    """The last lines of the build or the service, for a run whose system never came up."""
    if run.verdict != GradingRun.Verdict.NOT_GRADABLE:
        return []
    spoken = RunEvent.objects.filter(run=run, payload__source__in=("app", "build")).order_by("-seq")[:20]
    return present.log_rows(run, list(spoken)[::-1])
