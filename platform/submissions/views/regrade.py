"""The instructor's pages of a re-grade: start one, see what it would change, publish or discard
it.
"""

from __future__ import annotations

from itertools import groupby

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import instructor_required
from labs.models import LabVersion
from submissions import regrading
from submissions.models import RegradeBatch
from submissions.views.access import viewer

TITLES = {
    "gains": "Would pass",
    "loses": "Would no longer pass",
    "more": "More points",
    "less": "Fewer points",
    "same": "Stay as they are",
    "undecided": "No verdict: the old run stands",
    "waiting": "Not graded yet",
}


@instructor_required
@require_POST
def regrade_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Grade old submissions again by the version ``pk``."""
    version = get_object_or_404(LabVersion, pk=pk)
    try:
        return redirect(regrading.start(version, viewer(request)))
    except regrading.CannotRegrade as error:
        messages.error(request, f"{error.message} {error.advice}")
        return redirect("teach_version", pk)


@instructor_required
@require_safe
def regrade_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What the re-grade would change, or what it changed."""
    related = RegradeBatch.objects.select_related("lab_version__lab", "started_by", "ended_by")
    batch = get_object_or_404(related, pk=pk)
    differences = regrading.preview(batch)
    groups = [
        (TITLES[kind], kind, list(rows))
        for kind, rows in groupby(differences, key=lambda d: d.kind)
    ]
    waiting = sum(d.kind == "waiting" for d in differences)
    context = {
        "nav_current": "teach",
        "batch": batch,
        "groups": groups,
        "waiting": waiting,
        "total": len(differences),
    }
    return render(request, "submissions/regrade_detail.html", context)


@instructor_required
@require_POST
def regrade_end(request: HttpRequest, pk: int) -> HttpResponse:
    """``action`` publish or discard."""
    batch = get_object_or_404(RegradeBatch, pk=pk)
    try:
        if request.POST.get("action") == "publish":
            regrading.publish(batch, viewer(request))
            messages.success(
                request, "Published. The new runs stand for their submissions; the old ones stay."
            )
        else:
            regrading.discard(batch, viewer(request))
            messages.success(request, "Discarded. Nothing has changed for anybody.")
    except regrading.CannotRegrade as error:
        messages.error(request, f"{error.message} {error.advice}")
    return redirect(batch)
