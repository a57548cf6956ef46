"""Downloads of a run's evidence.

The bytes may come from a learner's program: never shown as a page.
"""

from __future__ import annotations

import re

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from storage import blobs
from submissions.views.access import find_run

PLAIN = {"text/plain": "text/plain; charset=utf-8", "application/json": "application/json"}


@login_required
@require_safe
def run_evidence(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One artefact as a download, whatever type it claims to have."""
    run = find_run(request, pk)
    item = get_object_or_404(run.evidence.all(), name=name)
    kind = PLAIN.get(item.media_type, "application/octet-stream")
    response = HttpResponse(blobs.get(item.blob), content_type=kind)
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", item.name)
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-{safe}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
