"""Who may see a run: its learner and instructors. For everybody else it does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from submissions.models import GradingRun

if TYPE_CHECKING:
    from accounts.models import User


def viewer(request: HttpRequest) -> User:
    """Who asks. Only behind ``login_required``, which lets no anonymous user in."""
    return cast("User", request.user)


def find_run(request: HttpRequest, pk: int) -> GradingRun:
    """The run with its learner, lab and version, or 404."""
    return get_object_or_404(GradingRun.objects.visible_to(viewer(request)).with_people(), pk=pk)
