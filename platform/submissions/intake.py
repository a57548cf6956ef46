"""Asking for runs: handing in, trying, grading again, cancelling.

Every request of a person goes through here.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from grader.archive import ArchiveLimits, dump, parse, read_archive
from grader.archive.read import too_heavy
from grader.dockerfile.bases import by_name_alone
from grader.dockerfile.lint import check
from grader.errors import ArchiveRefused, DockerfileRefused, SeatrialError
from grader.job import Snapshot
from labs.models import LabVersion
from storage import blobs
from submissions import bell, luck, quota
from submissions.models import GradingRun, Submission
from submissions.scrub import clean_text

if TYPE_CHECKING:
    from accounts.models import User

State = GradingRun.State
TWICE = timedelta(seconds=10)
"""Within this time the same source is one submission, also when its run is over already."""
LEFT_OUT = 300
"""Characters of what was left out of an archive, as the run page tells it."""
MAX_UNFINISHED = 2
MAX_UNFINISHED_TRIALS = 1
TRIALS_A_DAY = 20
MAX_UPLOAD = ArchiveLimits().packed


class TooManyRuns(SeatrialError):
    """The learner has as many unfinished runs as one may have."""


class NotPossible(SeatrialError):
    """The run is in a state in which this can't be done."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A run that is no attempt: of these criteria (ids), or of all when there are none."""

    only: tuple[str, ...] = ()


def submit(
    user: User,
    lab_version: LabVersion,
    upload: Path,
    *,
    filename: str = "",
    note: str = "",
    size: int = 0,
    trial: Trial | None = None,
) -> GradingRun:
    """Check and store an archive and queue its first run. The worker is woken on commit.

    ``size`` is that of the whole upload, of which ``upload`` may hold only what is allowed and a
    byte more.
    Raises TooManyRuns, TooMuch, or ArchiveRefused with every reason that was found.
    """
    heavy = max(size, upload.stat().st_size)
    if heavy > MAX_UPLOAD:
        raise too_heavy(heavy, ArchiveLimits())
    with quota.reading(user):
        snapshot = read_archive(upload)
    refuse_what_cannot_build(snapshot, lab_version.spec_model.bases)
    return accept(user, lab_version, snapshot, filename=filename, note=note, once=True, trial=trial)


def refuse_what_cannot_build(snapshot: Snapshot, own: list[str]) -> None:
    """Raise ArchiveRefused with every fault of the Dockerfile that can be seen without a build, by
    line.
    """
    try:
        check({path: file.data for path, file in snapshot.files.items()}, by_name_alone(own))
    except DockerfileRefused as error:
        raise ArchiveRefused(error.message, error.advice) from error


def accept(
    user: User,
    lab_version: LabVersion,
    snapshot: Snapshot,
    *,
    filename: str = "",
    note: str = "",
    once: bool = False,
    trial: Trial | None = None,
) -> GradingRun:
    """Store a checked snapshot and queue its first run.

    Raises TooManyRuns, or NotPossible for unknown criteria.

    ``once``: the same source again, while it waits, goes on or just began, is the same run.
    ``trial``: no attempt.
    """
    if trial:
        trial = Trial(_known_criteria(lab_version, trial.only))
    data = dump(snapshot)
    blob = blobs.put(data)
    with transaction.atomic():
        lock(user)
        sent_before = _sent_before(user, lab_version, snapshot.digest, trial) if once else None
        if sent_before:
            return sent_before
        if once and not trial:
            luck.refuse_patience(user.pk, lab_version.pk, snapshot.digest)
        _refuse_too_many(user, trial=trial is not None)
        quota.refuse_too_much(user, len(data))
        last = Submission.objects.filter(user=user, lab_id=lab_version.lab_id).aggregate(
            n=Max("number")
        )["n"]
        submission = Submission.objects.create(
            user=user,
            lab_id=lab_version.lab_id,
            lab_version=lab_version,
            number=None if trial else (last or 0) + 1,
            digest=snapshot.digest,
            blob=blob,
            size=len(data),
            note=clean_text(note).strip()[:120],
            filename=clean_text(filename)[-200:],
            left_out=clean_text(", ".join(snapshot.left_out))[:LEFT_OUT],
        )
        return _enqueue(submission, lab_version, trial)


def _known_criteria(lab_version: LabVersion, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """In the order of the rubric.

    All of them are the same as none. Raises NotPossible for one that does not exist.
    """
    known = [criterion.id for criterion in lab_version.spec_model.rubric.criteria]
    if unknown := set(wanted) - set(known):
        raise NotPossible(
            f"This lab has no criterion “{clean_text(min(unknown))[:48]}”.",
            "Load the page again: the lab has changed.",
        )
    chosen = tuple(name for name in known if name in wanted)
    return () if len(chosen) == len(known) else chosen


def _sent_before(
    user: User, lab_version: LabVersion, digest: str, trial: Trial | None
) -> GradingRun | None:
    """The run of the same source that waits or goes on, or began just now: the form was sent
    twice.
    """
    own = Submission.objects.filter(
        user=user, lab_id=lab_version.lab_id, number__isnull=trial is not None
    )
    newest = own.order_by("-pk").first()
    if newest is None or newest.digest != digest or newest.lab_version_id != lab_version.pk:
        return None
    run = newest.runs.filter(batch__isnull=True).order_by("-pk").first()
    if run is None or run.state == State.CANCELLED or (trial and list(trial.only) != run.only):
        return None
    now = timezone.now()
    return run if not run.is_over or now - TWICE < run.created <= now else None


def regrade(run: GradingRun, by: User) -> GradingRun:
    """Queue the same source again, on the lab version of ``run``, with a new seed.

    Adds a run, replaces none.

    Raises TooManyRuns; NotPossible while the run still goes on; TooOften when the learner asks
    again and again.
    """
    if not run.is_over:
        raise NotPossible("This run still goes on.", "Wait for its verdict, or cancel it first.")
    _refuse_without_source(run)
    with transaction.atomic():
        lock(by)
        again = run.submission.runs.unfinished().filter(batch__isnull=True).order_by("-pk").first()
        if again:
            return again  # the button was pressed twice
        if not run.trial and by.pk == run.learner_id:
            luck.refuse_patience(run.learner_id, run.lab_version_id, run.submission.digest)
        _refuse_too_many(by, trial=run.trial)
        _refuse_too_many(run.submission.user, trial=run.trial)
        return _enqueue(
            run.submission, run.lab_version, Trial(tuple(run.only)) if run.trial else None
        )


def submit_what_was_tried(run: GradingRun, by: User) -> GradingRun:
    """Hand in the source of a try as an attempt, on the lab's present version.

    Raises NotPossible for anything else than an own try, TooManyRuns, and what ``accept`` raises.
    """
    current = run.lab.current
    if not run.trial or run.learner_id != by.pk or current is None or run.lab.retired:
        raise NotPossible(
            "Only a try of yours, in a lab that is open, can be handed in.",
            "Upload it on the lab's page.",
        )
    _refuse_without_source(run)
    snapshot = parse(blobs.get(run.submission.blob))
    return accept(
        by, current, snapshot, filename=run.submission.filename, note=run.submission.note, once=True
    )


def _refuse_without_source(run: GradingRun) -> None:
    if not run.submission.blob:
        raise NotPossible(
            "The source of a run that never began is not kept.",
            "Upload it again on the lab's page.",
        )


def lock(user: User) -> None:
    """Two requests of one user go one after the other: an UPDATE takes the row on every
    database.
    """
    get_user_model().objects.filter(pk=user.pk).update(is_active=F("is_active"))


def _refuse_too_many(user: User, *, trial: bool = False) -> None:
    if trial:
        _refuse_too_many_trials(user)
        return
    own = GradingRun.objects.unfinished().filter(learner=user, batch__isnull=True, trial=False)
    if own.count() >= MAX_UNFINISHED:
        raise TooManyRuns(
            f"You have {MAX_UNFINISHED} runs that are not finished yet.",
            "Wait for one of them, or cancel one.",
        )


def _refuse_too_many_trials(user: User) -> None:
    tried = GradingRun.objects.filter(learner=user, trial=True)
    if tried.unfinished().count() >= MAX_UNFINISHED_TRIALS:
        raise TooManyRuns("A try of yours is not finished yet.", "Wait for it, or cancel it.")
    if tried.filter(created__gt=timezone.now() - timedelta(days=1)).count() >= TRIALS_A_DAY:
        raise TooManyRuns(
            f"You have tried {TRIALS_A_DAY} times within a day.",
            (
                "Try again tomorrow, submit an attempt, or grade in your terminal: there is no limit "
                "there."
            ),
        )


def _enqueue(
    submission: Submission, lab_version: LabVersion, trial: Trial | None = None
) -> GradingRun:
    run = GradingRun.objects.create(
        submission=submission,
        lab_version=lab_version,
        seed=new_seed(),
        trial=trial is not None,
        only=list(trial.only) if trial else [],
    )
    transaction.on_commit(lambda: bell.ring(run.pk), robust=True)
    return run


def new_seed() -> str:
    """Twelve random hex digits in groups of four, as people read them out."""
    digits = secrets.token_hex(6)
    return "-".join(digits[i : i + 4] for i in (0, 4, 8))


def cancel(run: GradingRun) -> None:
    """Cancel: a queued run at once, a running one as soon as its worker looks.

    No-op for one that is over.
    """
    now = timezone.now()
    queued = GradingRun.objects.filter(pk=run.pk, state=State.QUEUED)
    if queued.update(
        state=State.CANCELLED,
        cancel_requested=True,
        finished_at=now,
        reason="Cancelled in the queue.",
    ):
        _forget_source(run)
        return
    GradingRun.objects.filter(pk=run.pk, state=State.RUNNING).update(cancel_requested=True)


def _forget_source(run: GradingRun) -> None:
    """A source that never began to be graded is not kept.

    Housekeeping removes the blob once nobody names it.
    """
    begun = run.submission.runs.exclude(state=State.CANCELLED, started_at=None)
    if not begun.exists():
        Submission.objects.filter(pk=run.submission_id).update(blob="", size=0)
