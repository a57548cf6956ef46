"""What stands on the own portfolio, and who may see it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portfolios import services
from portfolios.forms import PortfolioForm
from portfolios.views.access import viewer


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    user = viewer(request)
    portfolio = services.portfolio_of(user)
    form = PortfolioForm(request.POST or None, instance=portfolio, user=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(
            request,
            "Saved. "
            + ("The page is public." if portfolio.is_public else "Only you see the page."),
        )
        return redirect("portfolio_settings")
    context = {
        "form": form,
        "portfolio": portfolio,
        "address": request.build_absolute_uri(portfolio.get_absolute_url()),
        "entries": portfolio.entries.select_related("run__lab_version__lab", "run__submission"),
        "nav_current": "portfolio",
    }
    return render(request, "portfolios/settings.html", context)


@login_required
@require_POST
def arrange(request: HttpRequest, pk: int) -> HttpResponse:
    """Show, hide or move up one entry; ``action`` says which."""
    entry = get_object_or_404(services.portfolio_of(viewer(request)).entries, pk=pk)
    action = request.POST.get("action")
    if action == "up":
        services.move_up(entry)
    elif action in {"show", "hide"}:
        entry.visible = action == "show"
        entry.save(update_fields=["visible"])
    return redirect("portfolio_settings")
