"""Slots: how many runs may share this machine. Ratios hold on a busy machine, within reason; two cores a run is that.

A slot is a lock on a file, so it goes with the process that holds it, also after kill -9. Terminal, worker and
benches take the same ones; ``SEATRIAL_SLOT_DIR`` names another folder than the temporary one.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grader.errors import RunCancelled
from grader.job import never

CORES_PER_RUN = 2
POLL_S = 0.5
COURTESY_S = 2.5
"""So long whoever has just had a slot leaves it to those that wait, before it takes one again."""
LATELY_S = 12.0
"""Who was refused a slot within this time still waits for one: a worker is rung again within it."""


def slot_count() -> int:
    """One run per two cores, at least one. ``SEATRIAL_SLOTS`` says otherwise."""
    return max(1, int(os.environ.get("SEATRIAL_SLOTS") or (os.cpu_count() or 1) // CORES_PER_RUN))


def _folder() -> Path:
    folder = Path(os.environ.get("SEATRIAL_SLOT_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _refused() -> Path:
    """Its time of change says when somebody was last refused a slot."""
    return _folder() / f"seatrial-slot-{os.getuid()}-refused"


def _paths() -> list[Path]:
    folder = _folder()
    return [folder / f"seatrial-slot-{os.getuid()}-{number}.lock" for number in range(slot_count())]


@contextmanager
def try_slot() -> Iterator[bool]:
    """Take a slot if one is free; the value says whether one was."""
    with ExitStack() as held:
        for path in _paths():
            file = held.enter_context(path.open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield True
            return
        _refused().touch()
        yield False


class _Own:
    """What this process did: the monotonic time at which it gave back its last slot."""

    released_at = float("-inf")


def _somebody_waits() -> bool:
    try:
        return time.time() - _refused().stat().st_mtime < LATELY_S
    except FileNotFoundError:
        return False


@contextmanager
def machine_slot(say: Callable[[str], None], cancelled: Callable[[], bool] = never) -> Iterator[None]:
    """Wait for a slot. ``say`` gets one line if there is something to wait for. Raises RunCancelled.

    Who takes one after the other, as a proof of many submissions does, lets others in between.
    """
    told = False
    if time.monotonic() - _Own.released_at < COURTESY_S and _somebody_waits():
        time.sleep(COURTESY_S)
    while True:
        with try_slot() as free:
            if free:
                try:
                    yield
                finally:
                    _Own.released_at = time.monotonic()
                return
        if cancelled():
            raise RunCancelled("The run was cancelled.")
        if not told:
            say("waiting: another run is measured on this machine")
            told = True
        time.sleep(POLL_S)
