"""Who may see whose portfolio."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest

from accounts.models import User
from portfolios.models import Portfolio


def viewer(request: HttpRequest) -> User:
    """Return the signed-in user, or a stand-in without a key for visitors."""
    return cast(User, request.user)


def visible_portfolio(request: HttpRequest, handle: str) -> Portfolio:
    """Return the portfolio.

    Raises Http404 when there is none or it is private: both look the same from outside.
    """
    found = (
        Portfolio.objects.select_related("user")
        .filter(user__handle=handle.lower(), user__is_active=True)
        .first()
    )
    if found is None or not found.is_visible_to(viewer(request)):
        raise Http404
    return found


def sees_artefacts(request: HttpRequest, portfolio: Portfolio) -> bool:
    """Evidence for reviewers is for them, for instructors and for the owner; not for everybody."""
    user = viewer(request)
    return user.is_authenticated and (user.pk == portfolio.user_id or user.is_reviewer)
