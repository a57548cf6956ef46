"""Who may see a view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def instructor_required(view: View) -> View:
    """Let instructors in.

    Visitors are asked to sign in; everybody else gets 403 with the reason.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_instructor:
            raise PermissionDenied(
                "Only instructors can see this page. Ask one to give you the role."
            )
        return view(request, *args, **kwargs)

    return guarded
