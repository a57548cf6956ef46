"""400, 403, 404, 500 and the failed CSRF check: a plain page, a way back, no blame."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def fault(request: HttpRequest, status: int, heading: str, text: str, reference: str = "") -> HttpResponse:
    """Render one fault page."""
    context = {"code": status, "heading": heading, "text": text, "reference": reference}
    return render(request, "webui/fault.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return fault(request, 400, "This request could not be read", "Go back, load the page again and repeat it.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = str(exception) or "It belongs to somebody else, or needs another role."
    return fault(request, 403, "This page isn’t shared with you", text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return fault(
        request,
        403,
        "The form was too old",
        "You signed in or out since it was loaded, or cookies are blocked. Go back, load the page again and repeat it.",
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return fault(
        request, 404, "No such page", "It may be private, or have a new address. Runs and evidence never move."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Must not fail itself, so it renders without the database: the plain template has no user."""
    reference = f"e-{secrets.token_hex(3)}"
    import logging

    logging.getLogger("django.request").error("server error page shown, reference %s", reference)
    return fault(
        request, 500, "Something broke on our side", "Your runs go on; they don’t depend on this page.", reference
    )
