"""Publish and unpublish from the page of a run."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from portfolios import services
from portfolios.views.access import viewer
from submissions.models import GradingRun


@login_required
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """``action`` is publish or unpublish. Only one's own runs: others answer 404."""
    user = viewer(request)
    run = get_object_or_404(GradingRun.objects.attempts(), pk=pk, learner=user)
    if request.POST.get("action") == "unpublish":
        services.unpublish(run, user)
        messages.success(request, "Taken off your portfolio.")
        return redirect("run_detail", pk=run.pk)
    try:
        entry = services.publish(run, user)
    except services.CannotPublish as error:
        messages.error(request, str(error))
        return redirect("run_detail", pk=run.pk)
    if entry.portfolio.is_public:
        messages.success(request, "Published on your portfolio.")
        return redirect("run_detail", pk=run.pk)
    messages.warning(
        request,
        "The run is shown on your portfolio, but the page is still private. Make it public here.",
    )
    return redirect("portfolio_settings")
