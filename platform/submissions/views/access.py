"""Who may see a run: its learner and instructors. For everybody else it does not exist."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from submissions.models import GradingRun


def find_run(request: HttpRequest, pk: int) -> GradingRun:
    """The run with everything that pages show, or 404."""
    return get_object_or_404(GradingRun.objects.visible_to(request.user).detailed(), pk=pk)
