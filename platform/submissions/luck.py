"""Patience must not pass a system that stands at a threshold: how often one source is graded, and
which pass counts.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from grader.errors import SeatrialError
from submissions.models import GradingRun

if TYPE_CHECKING:
    from submissions.models import RunQuerySet

DAY = timedelta(days=1)
AGAIN = 1
"""So often a source that was judged is graded again within a day."""
AGAIN_OPEN = 3
"""And so often one that was never judged, because the machine was too busy to tell."""
JUDGED = ("passed", "failed")


class TooOften(SeatrialError):
    """This very source was graded as often as it may be for now."""


def of_source(learner: int, version: int, digest: str) -> RunQuerySet:
    """All attempts with one source on one lab version, with a verdict about it."""
    same = GradingRun.objects.filter(
        learner=learner, lab_version=version, submission__digest=digest
    )
    return same.filter(trial=False, batch__isnull=True, verdict__in=(*JUDGED, "inconclusive"))


def refuse_patience(learner: int, version: int, digest: str) -> None:
    """Raise TooOften when the same source may not be graded again yet.

    Tries, and what broke on our side, are free.
    """
    seen = list(
        of_source(learner, version, digest).order_by("-created").values_list("verdict", "created")
    )
    again = [
        created for _, created in seen[:-1] if created > timezone.now() - DAY
    ]  # the last one was the first
    most = AGAIN if any(verdict in JUDGED for verdict, _ in seen) else AGAIN_OPEN
    if len(again) >= most:
        wait = again[most - 1] + DAY - timezone.now()
        hours = max(1, round(wait.total_seconds() / 3600))
        raise TooOften(
            "This very source was graded again within a day already.",
            (
                "Change something and submit that, check it without an attempt, or come back in "
                f"{hours} h."
            ),
        )


def is_outvoted(run: GradingRun) -> bool:
    """Whether a pass does not count: at least as many runs of the same source failed as passed."""
    verdicts = of_source(run.learner_id, run.lab_version_id, run.submission.digest).values_list(
        "verdict", flat=True
    )
    votes = Counter(verdicts)
    return run.verdict == "passed" and not run.trial and votes["failed"] >= votes["passed"]
