"""Theme and the first instructor.

Sign-up, sign-in and passwords are allauth's views with our templates.
"""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import FirstForm
from accounts.models import FirstLink
from accounts.services import LinkEnded, instructor_exists, make_first_instructor
from webui.context import THEMES

YEAR = 365 * 24 * 3600


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in a cookie and go back to where the form was."""
    choice = request.POST.get("theme", "system")
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = "/"
    response = redirect(target)
    if choice in THEMES:
        response.set_cookie(
            "theme", choice, max_age=YEAR, samesite="Lax", secure=request.is_secure(), httponly=True
        )
    return response


@never_cache
@require_http_methods(["GET", "POST"])
def first(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first instructor.

    404 for a link that has ended, without saying which of the reasons it was.
    """
    if instructor_exists() or not FirstLink.usable(token).exists():
        return render(request, "accounts/first.html", {}, status=404)
    form = FirstForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user = make_first_instructor(token, data["handle"], data["email"], data["password"])
        except LinkEnded:
            return render(request, "accounts/first.html", {}, status=404)
        login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
        messages.success(request, "You are the first instructor. The link no longer works.")
        return redirect("lab_list")
    return render(request, "accounts/first.html", {"form": form})
