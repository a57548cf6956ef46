"""Waiting for a condition: no test guesses how long something takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_S = 0.02


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Until ``condition()`` is true; fails when that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(LOOK_S)


async def comes_true(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """The same, while the event loop goes on."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        await asyncio.sleep(LOOK_S)
