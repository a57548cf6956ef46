"""What is worked out once from a lab version and kept for the life of the process: versions never
change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 512
_kept: dict[tuple[str, str], Any] = {}


def kept(kind: str, digest: str, make: Callable[[], T]) -> T:
    """Return what ``make`` gave for this kind of thing and this version's digest the first time."""
    key = (kind, digest)
    if key not in _kept:
        made = make()  # first: what cannot be made must not push anything out
        if len(_kept) >= MOST:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = made
    found: T = _kept[key]
    return found


def forget() -> None:
    """Forget everything. For tests, which give one digest to several contents."""
    _kept.clear()
