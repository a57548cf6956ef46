"""The starter of a lab as a zip archive."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from grader.archive import pack_zip
from labs.models import Lab


@require_safe
def starter(request: HttpRequest, slug: str) -> HttpResponse:
    """Download the starter of the current version."""
    lab = get_object_or_404(Lab.objects.select_related("current"), slug=slug, current__isnull=False)
    version = lab.current
    assert version is not None
    response = HttpResponse(
        pack_zip(version.content.under("starter")), content_type="application/zip"
    )
    response["Content-Disposition"] = f'attachment; filename="{slug}-{version.label}.zip"'
    return response
