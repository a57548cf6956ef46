"""Answers what labs.progress asks: how a person stands in the labs."""

from __future__ import annotations

from typing import Any

from labs.progress import OwnRuns, RunRow, Standing
from submissions.models import GradingRun

RANK = ("passed", "inconclusive", "failed", "not_gradable", "running", "queued", "errored", "cancelled")
"""From best to least: a pass stays a pass, whatever came after it."""
SHOWN = 20


def row_of(run: GradingRun) -> RunRow:
    """The run as a row of a list. ``run`` comes from ``GradingRun.objects.detailed()``."""
    failed = [r.payload.get("title", r.criterion) for r in run.check_results.all() if r.outcome == "failed"]
    return RunRow(
        pk=run.pk,
        url=run.get_absolute_url(),
        attempt=run.submission.number,
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
        best: dict[str, str] = {}
        newest: dict[str, GradingRun] = {}
        for run in GradingRun.objects.standing().filter(submission__user=user).detailed():
            slug = run.lab_version.lab_id
            newest.setdefault(slug, run)
            best[slug] = min(best.get(slug, "cancelled"), run.outcome, key=RANK.index)
        return {slug: Standing(best[slug], row_of(run)) for slug, run in newest.items()}

    def own_runs(self, user: Any, slug: str) -> OwnRuns:
        if not user.is_authenticated:
            return OwnRuns()
        runs = GradingRun.objects.shown().filter(submission__user=user, lab_version__lab_id=slug).detailed()
        last = runs.filter(check_results__isnull=False).order_by("-pk").first()
        outcomes = {r.criterion: r.outcome for r in last.check_results.all()} if last else {}
        return OwnRuns([row_of(run) for run in runs[:SHOWN]], outcomes)
