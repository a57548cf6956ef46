"""Variables that every template sees."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from webui.engine_state import read_engine_state

THEMES = ("system", "light", "dark")
try:
    VERSION = version("seatrial")
except PackageNotFoundError:  # a checkout that was not installed
    VERSION = "0.1.0"


def site(request: HttpRequest) -> dict[str, Any]:
    """Return version, host name, theme and the state of the engine."""
    theme = request.COOKIES.get("theme", "system")
    return {
        "site_version": VERSION,
        "site_host": urlsplit(settings.SEATRIAL_BASE_URL).netloc,
        "signup_open": settings.SEATRIAL_SIGNUP,
        "theme": theme if theme in THEMES else "system",
        "engine": read_engine_state(),
    }
