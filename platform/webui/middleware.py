"""Headers of every answer: the content security policy, and no copies of what belongs to one
person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

Sync = Callable[[HttpRequest], HttpResponseBase]
Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def content_security_policy(get_response: Sync | Async) -> Sync | Async:
    """Add the policy to every response that does not set a stricter one itself (evidence downloads
    do).
    """
    if iscoroutinefunction(get_response):

        async def on_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            response.headers.setdefault("Content-Security-Policy", POLICY)
            return response

        return on_async

    def on_sync(request: HttpRequest) -> HttpResponseBase:
        response = cast(HttpResponseBase, get_response(request))
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return on_sync


@sync_and_async_middleware
def private_pages(get_response: Sync | Async) -> Sync | Async:
    """What was made for somebody who is signed in is stored nowhere: not by a proxy, not in the
    browser's history.
    """
    if iscoroutinefunction(get_response):

        async def on_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            return _private(request, response)

        return on_async

    def on_sync(request: HttpRequest) -> HttpResponseBase:
        return _private(request, cast(HttpResponseBase, get_response(request)))

    return on_sync


def _private(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if settings.SESSION_COOKIE_NAME in request.COOKIES and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private, no-store"
    return response
