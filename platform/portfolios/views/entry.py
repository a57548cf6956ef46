"""The evidence of one system, and the artefacts that reviewers may download."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header

from portfolios.models import Portfolio, PortfolioEntry
from portfolios.reading import System
from portfolios.views.access import sees_artefacts, viewer, visible_portfolio
from storage import blobs
from submissions.models import Evidence

RUNS_SHOWN = 25


def _entry(portfolio: Portfolio, pk: int) -> PortfolioEntry:
    return get_object_or_404(portfolio.entries.all().shown(), pk=pk)


def entry(request: HttpRequest, handle: str, pk: int) -> HttpResponse:
    """Show the verdict, the criteria and the plots to all; artefacts to reviewers, instructors and
    the owner.
    """
    portfolio = visible_portfolio(request, handle)
    system = System(_entry(portfolio, pk))
    artefacts = Evidence.objects.none()
    if sees_artefacts(request, portfolio):
        artefacts = system.run.evidence.filter(visibility=Evidence.Visibility.REVIEWER)
    context = {
        "portfolio": portfolio,
        "system": system,
        "artefacts": artefacts,
        "may_see_artefacts": sees_artefacts(request, portfolio),
        "page": Paginator(system.runs, RUNS_SHOWN).get_page(request.GET.get("page")),
        "own": portfolio.user_id == viewer(request).pk,
    }
    return render(request, "portfolios/entry.html", context)


def artefact(request: HttpRequest, handle: str, pk: int, name: str) -> HttpResponse:
    """Send one artefact as a download, never as a page: it holds bytes of strangers."""
    portfolio = visible_portfolio(request, handle)
    if not sees_artefacts(request, portfolio):
        raise Http404
    run = _entry(portfolio, pk).run
    found = get_object_or_404(
        run.evidence.filter(visibility=Evidence.Visibility.REVIEWER), name=name
    )
    try:
        body = blobs.get(found.blob)
    except blobs.BlobMissing as error:
        raise Http404 from error
    response = HttpResponse(body, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, found.name) or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
