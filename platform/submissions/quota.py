"""What uploads may cost: one archive of a person is read at a time, so many in an hour, and so many
bytes are kept.

Refused archives count, too: reading them is what costs.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.db.models import Max, Sum

from grader.errors import SeatrialError
from submissions.models import Submission

if TYPE_CHECKING:
    from accounts.models import User

HOUR_S = 3600
READERS = 2
"""Archives that this machine reads at a time, whoever sent them."""
PATIENCE_S, LOOK_S = 20.0, 0.1
MIB = 1 << 20


class TooMuch(SeatrialError):
    """This person has sent as much as one may for now."""


@contextmanager
def reading(user: User) -> Iterator[None]:
    """Read one archive: in turn with the person's others, among READERS of all. Raises TooMuch."""
    until = time.monotonic() + PATIENCE_S
    with (
        _one_of([f"person-{user.pk % 256}"], until),
        _one_of([f"reader-{n}" for n in range(READERS)], until),
    ):
        _count(user)
        yield


def _count(user: User) -> None:
    """Count this archive.

    Only while the person's own lock is held: the cache can't add up by itself.
    """
    hour, most = int(time.time() // HOUR_S), settings.SEATRIAL_UPLOADS_AN_HOUR
    key = f"uploads:{user.pk}:{hour}"
    sent = cache.get(key, 0)
    if sent >= most:
        minutes = -(-((hour + 1) * HOUR_S - int(time.time())) // 60)
        raise TooMuch(
            f"You have sent {most} archives within this hour.",
            (
                f"Send the next one in {minutes} minutes, or grade in your terminal: there is no limit "
                "there."
            ),
        )
    cache.set(key, sent + 1, 2 * HOUR_S)


def refuse_too_much(user: User, size: int) -> None:
    """Raise TooMuch when ``size`` bytes more would not fit beside what is kept of this person's
    sources.
    """
    own = (
        Submission.objects.filter(user=user)
        .exclude(blob="")
        .values("blob")
        .annotate(size=Max("size"))
    )
    kept, most = own.aggregate(total=Sum("size"))["total"] or 0, settings.SEATRIAL_UPLOADS_MB * MIB
    if kept + size > most:
        raise TooMuch(
            (
                f"Your sources take {kept / MIB:.0f} of the {settings.SEATRIAL_UPLOADS_MB} MB that are "
                "kept for you."
            ),
            (
                "Send a smaller archive: without models, data and packages. The operator can raise the "
                "limit."
            ),
        )


@contextmanager
def _one_of(names: list[str], until: float) -> Iterator[None]:
    """Hold the first of these locks that is free.

    They hold across the processes of this machine.
    """
    folder = Path(settings.SEATRIAL_HOME) / "readers"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for name in names:
            handle = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield
            finally:
                os.close(handle)
            return
        if time.monotonic() > until:
            raise TooMuch(
                "Too many archives are being read just now.",
                "Wait a moment, then send yours again.",
            )
        time.sleep(LOOK_S)
