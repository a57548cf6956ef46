"""Figures about the whole installation, worked out at most once in a while and not for every
visitor.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.core.cache import cache

T = TypeVar("T")


def figure(name: str, seconds: int, work_out: Callable[[], T]) -> T:
    """Return what ``work_out`` gave, now or up to ``seconds`` ago.

    Never None: that means unknown.
    """
    key = "figure:" + name.replace(" ", "-")
    known: T | None = cache.get(key)
    if known is not None:
        return known
    fresh = work_out()
    # A full disk must not take the page down; the figure is worked out again next time.
    with suppress(OSError):
        cache.set(key, fresh, seconds)
    return fresh
