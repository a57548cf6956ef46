"""Waking up at an exact time. asyncio's own timers round up to a millisecond; the kernel's timer
does not.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

# getattr: the host's Python may be older than 3.13
_CREATE = getattr(os, "timerfd_create", None)
NEAR_S = 0.0012


def precise() -> bool:
    """Whether the kernel's timer can be used.

    It runs on the clock of ``perf_counter``, which is Linux's monotonic.
    """
    return (
        _CREATE is not None
        and "CLOCK_MONOTONIC" in time.get_clock_info("perf_counter").implementation
    )


class Alarm:
    """Calls ``ring`` on the loop at a ``perf_counter`` time.

    One at a time: setting it again replaces it.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._fd = -1
        self._handle: asyncio.Handle | None = None
        self._at = 0.0
        if _CREATE is not None and precise():
            self._fd = _CREATE(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)  # type: ignore[attr-defined, unused-ignore]
            self._settime = os.timerfd_settime  # type: ignore[attr-defined, unused-ignore]
            self._absolute = os.TFD_TIMER_ABSTIME  # type: ignore[attr-defined, unused-ignore]
            self._loop.add_reader(self._fd, self._readable)

    def at(self, when: float) -> None:
        """Ring at ``when``; at once when that is past."""
        if self._fd >= 0:
            self._settime(self._fd, flags=self._absolute, initial=max(when, 1e-9))
            return
        self._at = when
        self._poll()

    def close(self) -> None:
        """Ring no more, and give the descriptor back."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._handle is not None:
            self._handle.cancel()

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._ring()

    def _poll(self) -> None:
        """Without the kernel's timer: sleep until just before, then look at the clock on every turn
        of the loop.
        """
        left = self._at - time.perf_counter()
        if left <= 0:
            self._handle = self._loop.call_soon(self._ring)
        elif left < NEAR_S:
            self._handle = self._loop.call_soon(self._poll)
        else:
            self._handle = self._loop.call_later(left - NEAR_S, self._poll)
