"""400, 403, 404, 500 and the failed CSRF check: a plain page, a way back, no blame."""

from __future__ import annotations

import logging
import secrets
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger("seatrial.errors")


def fault(
    request: HttpRequest, status: int, heading: str, text: str, reference: str = ""
) -> HttpResponse:
    """Render one fault page."""
    context = {"code": status, "heading": heading, "text": text, "reference": reference}
    return render(request, "webui/fault.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return fault(
        request,
        400,
        "This request could not be read",
        "Go back, load the page again and repeat it.",
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = str(exception) or "It belongs to somebody else, or needs another role."
    return fault(request, 403, "This page isn’t shared with you", text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return fault(
        request,
        403,
        "The form was too old",
        (
            "You signed in or out since it was loaded, or cookies are blocked. Go back, load the page "
            "again and repeat it."
        ),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return fault(
        request,
        404,
        "No such page",
        "It may be private, or have a new address. Runs and evidence never move.",
    )


STORAGE = (OperationalError, InterfaceError, OSError)
RETRY_S = 30


def server_error(request: HttpRequest) -> HttpResponse:
    """Show the reference that the log has too.

    Trouble of database or disk is 503: it passes, and says so.

    When even the page fails, the text alone: never a second error.
    """
    reference = f"e-{secrets.token_hex(3)}"
    logger.error("server error at %s, reference %s", request.path, reference)
    if isinstance(sys.exc_info()[1], STORAGE):
        response = _plain_if_needed(request, 503, *_STORAGE_TEXT, reference)
        response["Retry-After"] = str(RETRY_S)
        return response
    return _plain_if_needed(request, 500, *_BROKEN_TEXT, reference)


_BROKEN_TEXT = ("Something broke on our side", "Your runs go on; they don’t depend on this page.")
_STORAGE_TEXT = (
    "We can’t store anything right now",
    "The database is busy or away, or the disk is full. Nothing of yours that was stored is lost. "
    "Wait half a minute, go back and repeat it; if it stays, tell the operator.",
)


def _plain_if_needed(
    request: HttpRequest, status: int, heading: str, text: str, reference: str
) -> HttpResponse:
    try:
        return fault(request, status, heading, text, reference)
    except Exception:
        logger.exception("the error page failed too, reference %s", reference)
        plain = f"{heading}. {text} Reference {reference}."
        return HttpResponse(plain, status=status, content_type="text/plain; charset=utf-8")
