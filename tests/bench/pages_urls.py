"""The site's addresses, and a bare view behind the same middleware: who is signed in, as plain
text.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"signed in: {request.user}", content_type="text/plain")


urlpatterns += [path("bare/", bare)]
