"""Re-grading: old submissions by a new version of their lab or of the grader.

Drafted, compared, then published.

Old runs stay as they are. Publishing decides which run stands for a submission, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from grader import __version__
from grader.errors import SeatrialError
from labs.models import LabVersion
from submissions import bell, intake
from submissions.above import shown_among
from submissions.models import GradingRun, RegradeBatch
from submissions.signals import regrade_published

JUDGED = ("passed", "failed", "not_gradable")
MAX_RUNS = 500
KINDS = ("gains", "loses", "more", "less", "same", "undecided", "waiting")
"""What may become of a submission, in the order of the preview."""


class CannotRegrade(SeatrialError):
    """Nothing to grade, a draft that is open already, or one that is not ready.

    The message is for the page.
    """


@dataclass(frozen=True, slots=True)
class CriterionChange:
    """One criterion with another outcome than before, or that is new.

    ``why`` is the new run's own message.
    """

    title: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """An old run beside the new one. ``kind`` is one of KINDS."""

    old: GradingRun
    new: GradingRun
    kind: str
    changes: list[CriterionChange] = field(default_factory=list)


def candidates(version: LabVersion) -> list[GradingRun]:
    """The runs that a re-grade by ``version`` would repeat, newest first.

    One re-grade takes ``MAX_RUNS``.

    Of every learner the newest submission with a verdict, and whatever others may see; unless this
    very lab and grader version judged it already.
    """
    judged = GradingRun.objects.standing().filter(
        submission__lab=version.lab_id, state=GradingRun.State.FINISHED, verdict__in=JUDGED
    )
    newest: dict[int, GradingRun] = {}
    for run in judged.order_by("-submission__number", "-pk").select_related(
        "submission__user", "lab_version"
    ):
        newest.setdefault(run.submission.user_id, run)
    pinned = shown_among(judged.select_related("submission__user", "lab_version"))
    chosen = {run.submission_id: run for run in [*pinned, *newest.values()]}
    old = [
        r
        for r in chosen.values()
        if (r.lab_version_id, r.grader_version) != (version.pk, __version__)
    ]
    return sorted(old, key=lambda run: -run.pk)


def start(version: LabVersion, by: User) -> RegradeBatch:
    """Queue the newest candidates with their old seeds, so that the version alone differs.

    Raises CannotRegrade.
    """
    with transaction.atomic():
        intake.lock(by)
        if RegradeBatch.objects.filter(
            lab_version__lab=version.lab_id, published_at=None, discarded_at=None
        ).exists():
            raise CannotRegrade(
                "A re-grade of this lab is open already.", "Publish or discard it first."
            )
        old = candidates(version)
        if not old:
            raise CannotRegrade(
                "There is nothing to grade again.", "This version judged every submission already."
            )
        batch = RegradeBatch.objects.create(
            lab_version=version, grader_version=__version__, started_by=by
        )
        GradingRun.objects.bulk_create(
            GradingRun(
                submission=run.submission,
                learner_id=run.learner_id,
                lab_id=run.lab_id,
                lab_version=version,
                seed=run.seed,
                batch=batch,
                replaces=run,
            )
            for run in old[:MAX_RUNS]
        )
        first = batch.runs.order_by("pk").first()
        assert first is not None
        transaction.on_commit(lambda: bell.ring(first.pk), robust=True)
    return batch


def preview(batch: RegradeBatch) -> list[Difference]:
    """Who would gain, who would lose, and why; those that matter most first."""
    runs = batch.runs.exclude(replaces=None).detailed().select_related("replaces__submission__user")
    found = [_difference(run) for run in runs.prefetch_related("replaces__check_results")]
    return sorted(found, key=lambda d: (KINDS.index(d.kind), d.new.pk))


def publish(batch: RegradeBatch, by: User) -> list[Difference]:
    """Let the new runs stand for their submissions.

    A run without a verdict replaces nothing. Raises CannotRegrade.
    """
    with transaction.atomic():
        intake.lock(by)
        batch.refresh_from_db()
        _must_be_draft(batch)
        if batch.runs.unfinished().exists():
            raise CannotRegrade(
                "Some of its runs are not finished.", "Wait for them, or discard the re-grade."
            )
        differences = preview(batch)
        batch.published_at, batch.ended_by = timezone.now(), by
        batch.save(update_fields=["published_at", "ended_by"])
        pairs = [(d.old, d.new) for d in differences if d.new.verdict in JUDGED]
        regrade_published.send(RegradeBatch, pairs=pairs)
    return differences


def discard(batch: RegradeBatch, by: User) -> None:
    """Leave everything as it was. Runs that still go on are cancelled. Raises CannotRegrade."""
    with transaction.atomic():
        intake.lock(by)
        batch.refresh_from_db()
        _must_be_draft(batch)
        batch.discarded_at, batch.ended_by = timezone.now(), by
        batch.save(update_fields=["discarded_at", "ended_by"])
    for run in batch.runs.unfinished():
        intake.cancel(run)


def _must_be_draft(batch: RegradeBatch) -> None:
    if not batch.is_draft:
        raise CannotRegrade(
            "This re-grade was published or discarded already.", "Start a new one if it is needed."
        )


def _difference(new: GradingRun) -> Difference:
    old = new.replaces
    assert old is not None
    if not new.is_over:
        return Difference(old, new, "waiting")
    if new.verdict not in JUDGED:
        return Difference(old, new, "undecided")
    was, now = old.verdict == "passed", new.verdict == "passed"
    if was != now:
        kind = "gains" if now else "loses"
    else:
        before, after = old.score or 0.0, new.score or 0.0
        kind = "same" if abs(before - after) < 0.005 else "more" if after > before else "less"
    return Difference(old, new, kind, _changes(old, new))


def _changes(old: GradingRun, new: GradingRun) -> list[CriterionChange]:
    before = {row.criterion: row.outcome for row in old.check_results.all()}
    out = []
    for row in new.check_results.all():
        was = before.pop(row.criterion, "new")
        if was != row.outcome:
            out.append(CriterionChange(row.model.title, was, row.outcome, row.model.message))
    return out + [CriterionChange(criterion, was, "gone", "") for criterion, was in before.items()]
