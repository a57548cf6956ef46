"""Ends a step of a check that holds the probe's only thread: no timeout of asyncio can cut one."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

TICK_S = 0.5
OVERTIME_S = 2.0
"""So long after the end of its time, a step that still runs is ended."""
OVERTIME_CPU_S = 2.0
STEP_CPU_S = 60.0
"""Processor seconds of one uninterrupted step, however much time is left: no check of ours needs
that many.
"""


class StepTooLong(Exception):
    """A step of a check used more processor time than any should."""


class Watchdog:
    """Use around one check. ``deadline``: perf_counter seconds at which its time is over.

    It looks by a signal of the kernel's timer and raises only where the loop does not get its turn,
    so never in the loop's own code.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._cpu_s = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread gets signals; the probe's is
        self._tick()
        self._before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        self._handle.cancel()

    def _tick(self) -> None:
        self._cpu_s = time.process_time()
        self._handle = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        held_s = time.process_time() - self._cpu_s
        over = time.perf_counter() > self._deadline + OVERTIME_S
        if held_s > STEP_CPU_S or (over and held_s > OVERTIME_CPU_S):
            self._cpu_s = time.process_time()
            raise StepTooLong(f"one step of the check used {held_s:.0f} s of processor time")
