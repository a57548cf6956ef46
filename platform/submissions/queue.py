"""Where a run stands in the queue and how long things take, from what earlier runs took."""

from __future__ import annotations

from django.db.models import Avg, ExpressionWrapper, F, Q, fields

from submissions.models import GradingRun

FALLBACK_S = 120.0
LOOK_BACK = 20


def position(run: GradingRun) -> int:
    """1 for the next one to be claimed. Claiming goes by age; re-grades come after everything else."""
    before = Q(created__lt=run.created) | Q(created=run.created, pk__lt=run.pk)
    before &= Q(batch_id=run.batch_id)
    if run.batch_id is not None:
        before |= Q(batch__isnull=True) | Q(batch_id__lt=run.batch_id)
    return GradingRun.objects.filter(before, state=GradingRun.State.QUEUED).count() + 1


def typical_s(lab_slug: str | None = None) -> float:
    """Mean seconds of the newest judged runs, of one lab or of all; a guess when there are none."""
    runs = GradingRun.objects.filter(verdict__in=("passed", "failed", "inconclusive"), started_at__isnull=False)
    if lab_slug:
        runs = runs.filter(lab=lab_slug)
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=fields.DurationField())
    newest = runs.order_by("-pk")[:LOOK_BACK].annotate(span=took)
    mean = newest.aggregate(mean=Avg("span"))["mean"]
    return mean.total_seconds() if mean else FALLBACK_S


def wait_s(run: GradingRun) -> float:
    """Seconds until a queued run starts: everything ahead of it, on one machine."""
    running = GradingRun.objects.filter(state=GradingRun.State.RUNNING).count()
    return (position(run) - 1 + 0.5 * min(running, 1)) * typical_s()
