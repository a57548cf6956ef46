"""The page of a run: live while it goes on, the verdict when it is over.

Fragments by ?fragment=NAME.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.http.response import Http404
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from submissions import present, queue
from submissions.above import panels_of
from submissions.models import CheckResult, GradingRun, RunEvent, RunQuerySet
from submissions.views.access import find_run

FRAGMENTS = {
    name: f"submissions/run_detail/_{name}.html" for name in ("status", "phases", "checks", "log")
}


@login_required
@require_safe
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page or one fragment. Only the learner and instructors may see it."""
    run = find_run(request, pk)
    fragment = request.GET.get("fragment", "")
    if fragment and fragment not in FRAGMENTS:
        raise Http404(f"There is no fragment {fragment[:40]!r}.")
    context = _context(request, run, fragment)
    if fragment:
        template = FRAGMENTS[fragment]
    else:
        template = "submissions/run_verdict.html" if run.is_over else "submissions/run_live.html"
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    if run.is_over:
        response["X-Run-Over"] = "1"  # for a page that polls
    return response


def _context(request: HttpRequest, run: GradingRun, fragment: str) -> dict[str, Any]:
    """What the page shows, or only what its one fragment does: fragments are asked for all the
    time.
    """
    context: dict[str, Any] = {
        "nav_current": "runs",
        "run": run,
        "spec": run.lab_version.spec_model,
        "lab": run.lab_version.lab,
        "own": run.submission.user_id == request.user.pk,
    }
    if not fragment and not run.is_over:
        # Read before everything else: what comes after it is announced by the stream.
        newest = run.events.order_by("-seq").values_list("seq", flat=True).first()
        context["last_seq"] = newest or 0
    rows: list[present.CriterionRow] = []
    if fragment != "log":
        rows = _add_steps(context, run, with_results=fragment != "phases")
    if fragment in ("", "log"):
        _add_log(context, run)
    if not run.is_over and fragment in ("", "status"):
        context |= _timing(run)
    if not fragment:
        context["others"] = list(_others(run)[:8])
    if not fragment and run.is_over:
        context |= _verdict(run, rows)
        context["panels"] = panels_of(run, context["own"])
    return context


def _add_steps(
    context: dict[str, Any], run: GradingRun, *, with_results: bool
) -> list[present.CriterionRow]:
    """Add the phases and, where they are shown, the criteria."""
    steps = present.progress(run, run.events.exclude(payload__type="log"))
    context["phases"] = steps.phases
    context["phase"] = next((p for p in steps.phases if p.outcome == "running"), None)
    if not with_results:
        return []
    prefetch_related_objects([run], "check_results")
    rows = present.criteria(run, steps.running_check)
    decided = [row for row in rows if row.result is not None]
    context |= {
        "rows": rows,
        "decided": len(decided),
        "points": sum(row.result.points for row in decided if row.result),
        "running": next((row for row in rows if row.state == "running"), None),
    }
    return rows


def _add_log(context: dict[str, Any], run: GradingRun) -> None:
    """Add the newest lines. They are counted only when not all of them are shown."""
    log = run.events.filter(payload__type="log").order_by("-seq")
    lines = list(log[: present.SHOWN_LINES])
    context["lines"] = present.log_rows(run, lines[::-1])
    context["line_count"] = log.count() if len(lines) == present.SHOWN_LINES else len(lines)


def _others(run: GradingRun) -> RunQuerySet:
    """The learner's other runs of this lab, newest first."""
    same = GradingRun.objects.attempts().filter(learner=run.learner_id, lab=run.lab_id)
    return same.exclude(pk=run.pk).with_people()


def _before(run: GradingRun) -> GradingRun | None:
    """The newest run before this one that judged anything, with its outcomes."""
    judged = CheckResult.objects.filter(run=OuterRef("pk"))
    outcomes = Prefetch("check_results", CheckResult.objects.defer("payload"))
    older = _others(run).filter(Exists(judged), pk__lt=run.pk)
    return older.order_by("-pk").prefetch_related(outcomes).first()


def _timing(run: GradingRun) -> dict[str, Any]:
    took = run.took.total_seconds() if run.took else 0.0
    typical = queue.typical_s(run.lab_version.lab_id)
    timing: dict[str, Any] = {
        "took": took,
        "typical": typical,
        "bar": max(typical, took),
        "now": timezone.now(),
    }
    if run.state == GradingRun.State.QUEUED:
        ahead = queue.line(run)
        timing |= {"place": queue.position(run), "ahead": ahead, "wait": queue.wait_s(run, ahead)}
    return timing


def _verdict(run: GradingRun, rows: list[present.CriterionRow]) -> dict[str, Any]:
    before = _before(run) if rows and any(row.result for row in rows) else None
    return {
        "results": [row.result for row in rows if row.result],
        "failed": [row for row in rows if row.state == "failed"],
        "undecided": [row for row in rows if row.state == "inconclusive"],
        "headline": present.headline(run, rows),
        "most": present.most_points(run),
        "outcome_words": run.outcome.replace("_", " ").capitalize(),
        "broke_at": _broke_at(run),
        "before": before,
        "changes": present.changes(run, before),
        "repeat": present.grade_command(run),
        "evidence": list(run.evidence.all()),
        "took": run.took.total_seconds() if run.took else None,
        "tail": _tail(run),
    }


def _broke_at(run: GradingRun) -> str:
    """The phase in which a run ended that graded nothing; empty otherwise."""
    if run.verdict != GradingRun.Verdict.NOT_GRADABLE:
        return ""
    broken = (
        run.events.filter(payload__type="phase_finished", payload__ok=False)
        .order_by("-seq")
        .first()
    )
    return str(broken.payload.get("phase", "")) if broken else ""


def _tail(run: GradingRun) -> list[present.LogRow]:
    """The last lines of the build or else of the service, for a run whose system never came up."""
    if run.verdict != GradingRun.Verdict.NOT_GRADABLE:
        return []
    for source in ("app", "build"):  # a service that spoke was built
        spoken = list(
            RunEvent.objects.filter(run=run, payload__source=source).order_by("-seq")[:60]
        )
        if spoken:
            return present.log_rows(run, spoken[::-1])
    return []
