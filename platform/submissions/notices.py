"""Tell a learner by mail that a run is over, if they asked for it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import send_mail

from submissions.models import GradingRun


def mail_the_learner(sender: Any, run: GradingRun, **_: Any) -> None:  # noqa: ARG001
    """Receiver of run_finished. Re-grades are an instructor's doing and are not told."""
    user = run.submission.user
    if run.batch_id is not None or not (user.mail_when_over and user.email):
        return
    title = run.lab_version.spec_model.title
    outcome = run.outcome.replace("_", " ")
    score = "" if run.score is None else f", {run.score:g} of 100"
    text = (
        f"{settings.SEATRIAL_BASE_URL}{run.get_absolute_url()}\n\nYou asked for these mails on the "
        "page of a run; "
    )
    text += "take it back there.\n"
    send_mail(
        f"Seatrial: {title}: {outcome}{score}",
        f"{title}, {run.submission.name}, run {run.pk}: {outcome}{score}.\n\n{text}",
        None,
        [user.email],
    )
