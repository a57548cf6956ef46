"""Taking an upload.

With script the form comes back as a fragment, without it as the whole lab page.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from grader.errors import SeatrialError
from labs.models import Lab
from labs.views.lab_detail import Refusal, find, render_lab
from submissions import intake
from submissions.views.access import viewer
from webui.htmx import HtmxRequest


@login_required
@require_http_methods(["GET", "POST"])
def submit(request: HtmxRequest, slug: str) -> HttpResponse:
    """Store the archive, queue a run, and go to its page.

    422 with the reasons when it is refused.
    """
    lab = find(slug)
    if request.method == "GET" or lab.retired:  # e.g. back from the sign-in page
        return redirect(f"{lab.get_absolute_url()}#submit")
    upload = request.FILES.get("archive")
    note = request.POST.get("note", "")[:120]
    chosen = request.POST.getlist("only")
    trial = intake.Trial(tuple(chosen)) if request.POST.get("what") == "try" else None
    if not isinstance(upload, UploadedFile):
        return _refused(
            request,
            lab,
            Refusal(
                ("No archive was chosen.",), "Choose a zip or tar.gz file.", note=note, only=chosen
            ),
        )
    name = Path(upload.name or "archive").name
    assert lab.current is not None
    try:
        with tempfile.NamedTemporaryFile(suffix="-" + _suffix(name)) as file:
            _copy(upload, file)
            run = intake.submit(
                viewer(request),
                lab.current,
                Path(file.name),
                filename=name,
                note=note,
                size=upload.size or 0,
                trial=trial,
            )
    except SeatrialError as error:
        reasons = tuple(line for line in error.message.splitlines() if line.strip())
        size = f"{(upload.size or 0) / 2**20:.1f} MB"
        return _refused(
            request, lab, Refusal(reasons, error.advice, f"{name}, {size}", note, chosen)
        )
    if request.htmx:
        response = HttpResponse(status=204)
        response["HX-Redirect"] = run.get_absolute_url()
        return response
    return redirect(run)


def _suffix(name: str) -> str:
    """The end of the name that archive readers look at; never a path."""
    return next(
        (s for s in (".tar.gz", ".tgz", ".tar", ".zip") if name.lower().endswith(s)), ".bin"
    )


def _copy(upload: UploadedFile[Any], file: tempfile._TemporaryFileWrapper[bytes]) -> None:
    """At most one byte more than is allowed: enough for the service to see that it is too large."""
    left = intake.MAX_UPLOAD + 1
    for chunk in upload.chunks():
        file.write(chunk[:left])
        left -= len(chunk)
        if left <= 0:
            break
    file.flush()


def _refused(request: HtmxRequest, lab: Lab, refusal: Refusal) -> HttpResponse:
    if request.htmx:
        # htmx swaps only successful answers; the form says itself that it was refused.
        return render_lab(request, lab, refusal=refusal, fragment="submit-form")
    return render_lab(request, lab, refusal=refusal, status=422)
