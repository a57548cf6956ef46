"""Where a run stands in the queue and how long things take, from what earlier runs took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Avg, ExpressionWrapper, F, Q, fields
from django.utils import timezone

from grader import slots
from submissions.models import GradingRun

FALLBACK_S = 120.0
LOOK_BACK = 20
PATIENCE_S = 180.0
"""The first in line has to wait for one run at most; within this time nobody worries."""


def position(run: GradingRun) -> int:
    """1 for the next one to be claimed.

    Claiming goes by age; re-grades come after everything else.
    """
    before = Q(created__lt=run.created) | Q(created=run.created, pk__lt=run.pk)
    before &= Q(batch_id=run.batch_id)
    if run.batch_id is not None:
        before |= Q(batch__isnull=True) | Q(batch_id__lt=run.batch_id)
    return GradingRun.objects.filter(before, state=GradingRun.State.QUEUED).count() + 1


def typical_s(lab_slug: str | None = None) -> float:
    """Mean seconds of the newest judged runs, of one lab or of all; a guess when there are none."""
    runs = GradingRun.objects.filter(
        verdict__in=("passed", "failed", "inconclusive"), started_at__isnull=False, trial=False
    )
    if lab_slug:
        runs = runs.filter(lab=lab_slug)
    took = ExpressionWrapper(
        F("finished_at") - F("started_at"), output_field=fields.DurationField()
    )
    newest = runs.order_by("-pk")[:LOOK_BACK].annotate(span=took)
    mean = newest.aggregate(mean=Avg("span"))["mean"]
    return mean.total_seconds() if mean else FALLBACK_S


@dataclass(frozen=True, slots=True)
class Line:
    """Who is in front of a queued run on this machine beside other runs of the site: grades from
    terminals.
    """

    terminals: int = 0
    """In line in front of it."""
    terminal_since: datetime | None = None
    """A grade from a terminal is being measured since then."""


def line(run: GradingRun) -> Line:
    """What the tickets of the machine say. Nothing, where the worker is on another machine."""
    try:
        waiting, holders = slots.waiting(), slots.holders()
    except OSError:
        return Line()
    arrived = int(run.created.timestamp() * 1e9)
    since = [holder.since for holder in holders if holder.who == "terminal"]
    return Line(
        terminals=sum(ticket.who == "terminal" and ticket.arrived < arrived for ticket in waiting),
        terminal_since=datetime.fromtimestamp(min(since), UTC) if since else None,
    )


def wait_s(run: GradingRun, ahead: Line | None = None) -> float:
    """Seconds until a queued run starts: everything ahead of it, as many at once as there are
    slots.
    """
    ahead = ahead or line(run)
    running = GradingRun.objects.filter(state=GradingRun.State.RUNNING).count()
    busy = 0.5 * min(running + (ahead.terminal_since is not None), 1)
    return (position(run) - 1 + ahead.terminals + busy) * typical_s() / slots.slot_count()


def is_stuck(head: GradingRun | None) -> bool:
    """Whether the first run in line waits longer than anybody can explain."""
    if head is None:
        return False
    waited = (timezone.now() - head.created).total_seconds()
    return waited > max(PATIENCE_S, 2 * typical_s())
