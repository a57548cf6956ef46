"""Requests as django-htmx makes them."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """``htmx`` is true when the page asked through htmx, and tells what it asked for."""

    htmx: HtmxDetails
