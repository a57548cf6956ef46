"""Who holds a run: claims, leases, verdicts, and what becomes of it when a worker or engine is
lost. All is fenced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from grader.errors import SeatrialError
from grader.result import RunResult, Verdict
from submissions import luck
from submissions.models import GradingRun
from submissions.scrub import clean_text
from submissions.signals import run_finished

State = GradingRun.State
LEASE = timedelta(seconds=30)
CLOCKS = timedelta(minutes=2)
"""Clocks of workers may differ by so much.

A lease that ends later was written before the clock was set back.
"""
MAX_TRIES = 3


class LeaseLost(SeatrialError):
    """The run belongs to somebody else by now, or is over. Nothing was written."""


def claim(worker: str) -> GradingRun | None:
    """Take the run whose turn it is.

    None when there is none; two workers never get the same one.
    """
    while True:
        candidate = GradingRun.objects.next_in_line().first()
        if candidate is None:
            return None
        now = timezone.now()
        taken = GradingRun.objects.filter(
            pk=candidate.pk, state=State.QUEUED, fence=candidate.fence
        ).update(
            state=State.RUNNING,
            fence=F("fence") + 1,
            tries=F("tries") + 1,
            lease_until=now + LEASE,
            worker=worker[:120],
            started_at=now,
            reason="",
            advice="",
        )
        if taken == 1:
            return GradingRun.objects.select_related("submission", "lab_version").get(
                pk=candidate.pk
            )


def _held(run_id: int, fence: int) -> Q:
    return Q(pk=run_id, fence=fence, state=State.RUNNING)


def renew_lease(run_id: int, fence: int) -> bool:
    """Hold on to the run for another LEASE. False when it isn't ours any more."""
    return (
        GradingRun.objects.filter(_held(run_id, fence)).update(lease_until=timezone.now() + LEASE)
        == 1
    )


def should_stop(run_id: int, fence: int) -> bool:
    """True when a person cancelled the run or somebody else has it."""
    return not GradingRun.objects.filter(_held(run_id, fence), cancel_requested=False).exists()


def is_alive(run_id: str, fence: int) -> bool:
    """For the sandbox's sweep: whether what carries these labels belongs to a run that goes on."""
    return run_id.isdigit() and GradingRun.objects.filter(_held(int(run_id), fence)).exists()


@contextmanager
def holding(run_id: int, fence: int) -> Iterator[None]:
    """A transaction that owns the run: whatever is written inside is written only if the fence
    still holds.

    Raises LeaseLost before the body runs otherwise. The UPDATE takes the row until the commit.
    """
    with transaction.atomic():
        if GradingRun.objects.filter(_held(run_id, fence)).update(worker=F("worker")) != 1:
            raise LeaseLost(f"Run {run_id} is no longer held with fence {fence}.")
        yield


def finish(run_id: int, fence: int, result: RunResult) -> GradingRun:
    """Set state and verdict.

    Raises LeaseLost when the fence is stale. Sends run_finished on commit.
    """
    cancelled = result.verdict is Verdict.CANCELLED
    judged = result.verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE)
    with holding(run_id, fence):
        GradingRun.objects.filter(pk=run_id).update(
            state=State.CANCELLED if cancelled else State.FINISHED,
            verdict="" if cancelled else result.verdict.value,
            score=result.score if judged else None,
            reason=clean_text(result.reason)[:4000],
            advice=clean_text(result.advice)[:2000],
            image_digest=result.image_digest[:128],
            grader_version=result.grader_version[:32],
            finished_at=timezone.now(),
            lease_until=None,
        )
        run = GradingRun.objects.select_related("submission").get(pk=run_id)
        if luck.is_outvoted(run):
            GradingRun.objects.filter(pk=run_id).update(outvoted=True)
        return _announce(run_id)


def _announce(run_id: int) -> GradingRun:
    run = GradingRun.objects.select_related("submission__user", "lab_version").get(pk=run_id)
    if run.state != State.CANCELLED:
        transaction.on_commit(lambda: run_finished.send_robust(GradingRun, run=run), robust=True)
    return run


def give_back(run_id: int, fence: int, why: str) -> None:
    """Put a run that could not even start back into the queue; this try is not counted.

    A stale fence is a no-op.
    """
    GradingRun.objects.filter(_held(run_id, fence)).update(
        state=State.QUEUED,
        tries=F("tries") - 1,
        lease_until=None,
        started_at=None,
        reason=clean_text(why)[:4000],
    )


# -- when a worker died


def reclaim() -> list[int]:
    """Take runs from workers that stopped renewing. Returns the ids that are queued again."""
    back: list[int] = []
    for run in GradingRun.objects.filter(_dead(), state=State.RUNNING):
        with transaction.atomic():
            mine = GradingRun.objects.filter(_held(run.pk, run.fence), _dead())
            if mine.update(fence=F("fence") + 1, lease_until=None) != 1:
                continue
            if _after_loss(run, "The worker stopped"):
                back.append(run.pk)
    return back


def _dead() -> Q:
    now = timezone.now()
    return Q(lease_until__lt=now) | Q(lease_until__gt=now + LEASE + CLOCKS)


def put_back(run_id: int, fence: int, what: str) -> bool:
    """End a try that something of ours broke.

    ``what`` happened, as a clause: "The container engine went away".

    True when the run is queued again; after MAX_TRIES it ends as lost. Raises LeaseLost when the
    fence is stale.
    """
    with holding(run_id, fence):
        GradingRun.objects.filter(pk=run_id).update(fence=F("fence") + 1, lease_until=None)
        return _after_loss(GradingRun.objects.get(pk=run_id), what)


def _after_loss(run: GradingRun, what: str) -> bool:
    """Decide what becomes of a run after a broken try, of which nothing stays.

    True when it is queued again.
    """
    run.events.all().delete()
    run.check_results.all().delete()
    run.evidence.all().delete()
    row = GradingRun.objects.filter(pk=run.pk)
    if run.cancel_requested:
        row.update(state=State.CANCELLED, finished_at=timezone.now(), reason="Cancelled.")
        return False
    if run.tries < MAX_TRIES:
        row.update(
            state=State.QUEUED,
            started_at=None,
            worker="",
            reason=f"{what}; the run is tried again.",
        )
        return True
    row.update(
        state=State.LOST,
        verdict=Verdict.ERRORED.value,
        finished_at=timezone.now(),
        reason=f"{what} while it was graded, at the last of {MAX_TRIES} tries.",
        advice="This is our fault; it costs no attempt. Tell the operator, then grade again.",
    )
    _announce(run.pk)
    return False
