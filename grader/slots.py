"""Slots: how many runs may share this machine, and who is next.

Two cores a run keep ratios sound on a busy machine.

A slot is a lock on a file, so it goes with the process that holds it, also after kill -9. Whoever
waits has a ticket, a file that names the time of its arrival; the oldest living ticket is next.
Terminal, worker and benches take the same ones; ``SEATRIAL_SLOT_DIR`` names another folder than the
temporary one (ADR 21).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from grader.errors import RunCancelled
from grader.job import never

CORES_PER_RUN = 2
POLL_S = 0.25
KEPT_S = 5.0
"""So long a ticket that was left in line on purpose counts without a process that holds it."""
ASLEEP_S = 10.0
"""Whoever stands in line and did not look for so long is a stopped process."""
_TICKET = re.compile(r"(\d{20})-(site|terminal)-([\w-]{1,80})")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in line.

    ``arrived`` is Unix time in ns; ``who`` is site or terminal; ``key`` tells two of them apart.
    """

    arrived: int
    who: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.arrived:020d}-{self.who}-{self.key}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a slot, and since when (Unix seconds)."""

    who: str
    since: float


def slot_count() -> int:
    """One run per two cores, at least one. ``SEATRIAL_SLOTS`` says otherwise."""
    return max(1, int(os.environ.get("SEATRIAL_SLOTS") or (os.cpu_count() or 1) // CORES_PER_RUN))


def new_ticket(who: str = "terminal", arrived: float | None = None, key: str = "") -> Ticket:
    """A ticket for now, or for an earlier ``arrived`` (Unix seconds).

    It is in line only while it is held or kept.

    Now is never before anybody who is in line already, whatever was done to the clock meanwhile.
    """
    now = max([time.time_ns(), *(ticket.arrived + 1 for ticket in waiting())])
    at = now if arrived is None else min(int(arrived * 1e9), now)
    return Ticket(
        max(0, at), who, re.sub(r"[^\w-]", "-", key)[:80] or f"{os.getpid()}-{secrets.token_hex(4)}"
    )


def keep(ticket: Ticket) -> None:
    """Leave a ticket in line for a moment without holding it: its owner is about to come back for
    it.
    """
    with _line() as folder:
        path = folder / ticket.name
        path.write_text("kept")
        os.utime(path)


def waiting() -> list[Ticket]:
    """Everybody in line, the next one first."""
    with _line() as folder:
        return _living(folder)


def is_held(ticket: Ticket) -> bool:
    """Whether a process stands in line with it, rather than coming back for it soon."""
    with _line() as folder, suppress(FileNotFoundError), (folder / ticket.name).open("r") as file:
        return not _lock(file, fcntl.LOCK_SH)
    return False


def holders() -> list[Holder]:
    """Who has a slot now."""
    found = []
    with _line():  # a look takes a free slot for an instant
        for path in _paths():
            with suppress(OSError, ValueError, KeyError), path.open("r+") as file:
                if _lock(file):
                    continue  # nobody's; what stands in it is old
                said = json.loads(file.read())
                found.append(Holder(str(said["who"]), float(said["since"])))
    return found


@contextmanager
def slot(
    ticket: Ticket,
    say: Callable[[str], None] = lambda _line: None,
    cancelled: Callable[[], bool] = never,
    give_up: Callable[[], bool] = never,
) -> Iterator[bool]:
    """Wait in line for a slot; the value says whether there is one, which is False after
    ``give_up``, and when somebody else holds the same ticket.

    ``say`` gets a line whenever the place in line changed. Raises RunCancelled when ``cancelled``.
    """
    file = _wait(ticket, say, cancelled, give_up)
    try:
        yield file is not None
    finally:
        if file is not None:
            file.close()


@contextmanager
def machine_slot(
    say: Callable[[str], None], cancelled: Callable[[], bool] = never
) -> Iterator[None]:
    """Wait for a slot behind all who came earlier. Raises RunCancelled."""
    with slot(new_ticket(), say, cancelled):
        yield


def _wait(
    ticket: Ticket,
    say: Callable[[str], None],
    cancelled: Callable[[], bool],
    give_up: Callable[[], bool],
) -> IO[str] | None:
    told = -1
    with _line() as folder:
        own = _hold(folder, ticket)
    if own is None:
        return None
    try:
        while True:
            with _line() as folder:
                _renew(own)
                place = _place(folder, ticket)
                taken = _take(ticket, place)
                if taken is not None:
                    return taken
            if cancelled():
                raise RunCancelled("The run was cancelled.")
            if give_up():
                return None
            if place != told:
                say(_told(place))
                told = place
            time.sleep(POLL_S)
    finally:
        with _line() as folder:
            (folder / ticket.name).unlink(missing_ok=True)
        own.close()


def _renew(file: IO[str]) -> None:
    """Say by the machine's monotonic clock that this process still looks."""
    file.seek(0)
    file.truncate()
    file.write(f"{time.monotonic():.3f}")
    file.flush()


def _place(folder: Path, ticket: Ticket) -> int:
    """How many in front are awake: others pass a stopped process (Ctrl-Z), which keeps its place in
    line.
    """
    names = [other.name for other in _living(folder)]
    return sum(_is_awake(folder / name) for name in names[: names.index(ticket.name)])


def _is_awake(path: Path) -> bool:
    """Also a ticket that is only kept: that has an end of its own."""
    try:
        return time.monotonic() - float(path.read_text()) < ASLEEP_S
    except (OSError, ValueError):
        return True


def _told(place: int) -> str:
    if place == 0:
        return "waiting: another run is measured on this machine; this one is next"
    return f"waiting: another run is measured on this machine, and {place} came before this one"


def _hold(folder: Path, ticket: Ticket) -> IO[str] | None:
    """The ticket's file, locked by this process: it leaves the line when the process ends, however
    it ends.

    None when another process holds the same ticket.
    """
    file = (folder / ticket.name).open("a")
    if not _lock(file):
        file.close()
        return None
    _renew(file)  # no longer only kept
    return file


def _take(ticket: Ticket, place: int) -> IO[str] | None:
    """A free slot, unless those in front need all that are free.

    Called by one process at a time.
    """
    free: list[IO[str]] = []
    try:
        for path in _paths():
            file: IO[str] = path.open("a+")
            if _lock(file):
                free.append(file)
            else:
                file.close()
        if place >= len(free):
            return None
        mine = free.pop(0)
        mine.seek(0)
        mine.truncate()
        mine.write(json.dumps({"who": ticket.who, "since": time.time()}))
        mine.flush()
        return mine
    finally:
        for file in free:
            file.close()


def _living(folder: Path) -> list[Ticket]:
    """Tickets that somebody holds or has just left in line; the others are thrown away."""
    found = []
    for path in sorted(folder.iterdir()):
        match = _TICKET.fullmatch(path.name)
        if match is None:
            continue
        if _is_dead(path):
            path.unlink(missing_ok=True)
        else:
            found.append(Ticket(int(match[1]), match[2], match[3]))
    return found


def _is_dead(path: Path) -> bool:
    try:
        with path.open("r") as file:
            if not _lock(file, fcntl.LOCK_SH):
                return False
            kept = file.read() == "kept"
        return not kept or abs(time.time() - path.stat().st_mtime) > KEPT_S
    except FileNotFoundError:
        return True


def _lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> Path:
    folder = Path(os.environ.get("SEATRIAL_SLOT_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _paths() -> list[Path]:
    folder = _folder()
    return [folder / f"seatrial-slot-{os.getuid()}-{number}.lock" for number in range(slot_count())]


@contextmanager
def _line() -> Iterator[Path]:
    """The folder of the tickets, for one process at a time."""
    folder = _folder() / f"seatrial-line-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
