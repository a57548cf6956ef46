"""What can be done to a run, as POST forms."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from grader.errors import SeatrialError
from submissions import intake
from submissions.views.access import find_run, viewer


@login_required
@require_POST
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a run and go back to its page."""
    run = find_run(request, pk)
    if run.is_over:
        messages.info(request, "This run is over already.")
    else:
        intake.cancel(run)
        messages.success(request, "The run is being cancelled. It costs no attempt.")
    return redirect(run)


@login_required
@require_POST
def run_regrade(request: HttpRequest, pk: int) -> HttpResponse:
    """Grade the same source again and go to the new run."""
    run = find_run(request, pk)
    try:
        return redirect(intake.regrade(run, viewer(request)))
    except SeatrialError as error:
        messages.error(request, f"{error.message} {error.advice}".strip())
        return redirect(run)


@login_required
@require_POST
def run_hand_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Submit what was tried as an attempt and go to the new run."""
    run = find_run(request, pk)
    try:
        return redirect(intake.submit_what_was_tried(run, viewer(request)))
    except SeatrialError as error:
        messages.error(request, f"{error.message} {error.advice}".strip())
        return redirect(run)


@login_required
@require_POST
def run_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """``mail``: on or off. Whether a mail comes when a run is over; of all runs of this person."""
    run = find_run(request, pk)
    user = viewer(request)
    user.mail_when_over = request.POST.get("mail") == "on"
    user.save(update_fields=["mail_when_over"])
    messages.success(
        request,
        "A mail comes when a run is over." if user.mail_when_over else "No more mails about runs.",
    )
    return redirect(run)
