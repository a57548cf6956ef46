"""No garbage collection while something is timed: a full collection stops the thread for
milliseconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_users = 0
_was_enabled = True


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Collect now, set what is left aside, collect nothing until the last user has left.

    May be nested.
    """
    global _users, _was_enabled  # noqa: PLW0603  there is one collector per process
    if _users == 0:
        _was_enabled = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if _users == 0:
            gc.unfreeze()
            if _was_enabled:
                gc.enable()
