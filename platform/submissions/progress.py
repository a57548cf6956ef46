"""Answers what labs.progress asks: how a person stands in the labs."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, Max, OuterRef

from labs.progress import OwnRuns, RunRow, Standing
from submissions.models import CheckResult, GradingRun

RANK = (
    "passed",
    "inconclusive",
    "failed",
    "not_gradable",
    "running",
    "queued",
    "errored",
    "cancelled",
)
"""From best to least: a pass stays a pass, whatever came after it."""
JUDGED = ("passed", "failed", "not_gradable")
REACHED = RANK[:4]
"""Verdicts that stay; a run without one says only where it is."""
SHOWN = 20


def _best(reached: set[str], newest: str) -> str:
    """The best word for a lab: a verdict that was ever reached, else what the newest run says."""
    return next((verdict for verdict in REACHED if verdict in reached), newest)


def _not_standing(user: Any) -> list[int]:
    """Keys of the runs that stand for nothing: drafts of re-grades, and what a published one
    replaced.
    """
    regrades = GradingRun.objects.filter(learner=user, batch__isnull=False).order_by()
    hidden: list[int] = []
    for key, old, published, verdict in regrades.values_list(
        "pk", "replaces", "batch__published_at", "verdict"
    ):
        if published is None:
            hidden.append(key)
        elif old is not None and verdict in JUDGED:
            hidden.append(old)
    return hidden


def row_of(run: Any) -> RunRow:
    """The run as a row of a list. ``run`` comes from ``GradingRun.objects.listed()``."""
    failed = [row.title or row.criterion for row in run.failed_results]
    return RunRow(
        pk=run.pk,
        url=run.get_absolute_url(),
        name=run.submission.name,
        counts=run.counts,
        outcome=run.outcome,
        score=run.score,
        against=", ".join(failed) or run.reason,
        when=run.finished_at or run.created,
        label=run.lab_version.label,
    )


class OwnProgress:
    """The provider that submissions.apps registers."""

    def standings(self, user: Any) -> dict[str, Standing]:
        if not user.is_authenticated:
            return {}
        # One pass over an index that holds nothing else: runs themselves are read only to be shown.
        own = GradingRun.objects.filter(learner=user, trial=False, outvoted=False).exclude(
            pk__in=_not_standing(user)
        )
        groups = own.order_by().values_list("lab", "verdict").annotate(newest=Max("pk"))
        reached: dict[str, set[str]] = {}
        newest: dict[str, int] = {}
        for lab, verdict, last in groups:
            reached.setdefault(lab, set()).add(verdict)
            newest[lab] = max(last, newest.get(lab, 0))
        runs = GradingRun.objects.filter(pk__in=newest.values()).listed()
        return {
            run.lab_id: Standing(_best(reached[run.lab_id], run.outcome), row_of(run))
            for run in runs
        }

    def own_runs(self, user: Any, slug: str) -> OwnRuns:
        if not user.is_authenticated:
            return OwnRuns()
        own = GradingRun.objects.shown().filter(learner=user, lab=slug)
        runs = [row_of(run) for run in own.listed()[:SHOWN]]
        judged = CheckResult.objects.filter(run=OuterRef("pk"))
        last = own.filter(Exists(judged), trial=False).values_list("pk", flat=True).first()
        outcomes = (
            CheckResult.objects.filter(run=last).values_list("criterion", "outcome") if last else ()
        )
        return OwnRuns(runs, dict(outcomes))
