"""Who else has a connection to the baseline.

The learner's service shares a network with it and may slow it down.

The baseline refuses whoever has no key, but refusing costs it time, too. So connections of others
are counted, as the kernel tells them: in the pod every role has a user id of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
EVERY_S = 0.5
FEWEST, PRESSING = 2, 0.2
"""Looks that found somebody, and the share of all looks of a criterion, from which it counts."""


def foreign(table: str, port: int, own: int) -> int:
    """Connections to ``port`` in a table of /proc/net that a process of another user than ``own``
    holds.

    Those that nobody holds any more (inode 0) have lost their user: they may be ``own``'s.
    """
    count = 0
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or int(fields[2].rpartition(":")[2], 16) != port:
            continue
        count += int(fields[7]) != own and fields[9] != "0"
    return count


class Strangers:
    """A thread that looks twice a second.

    ``seen``: how many looks found somebody; ``most``: connections at once.
    """

    def __init__(
        self, port: int, *, every_s: float = EVERY_S, tables: tuple[Path, ...] = TABLES
    ) -> None:
        self.looks = self.seen = self.most = 0
        self._port, self._every_s, self._tables = port, every_s, tables
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="strangers", daemon=True)

    def __enter__(self) -> Strangers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Look once."""
        found = sum(foreign(table, self._port, os.getuid()) for table in self._read())
        self.looks += 1
        self.seen += found > 0
        self.most = max(self.most, found)

    def mark(self) -> tuple[int, int]:
        """(looks, looks that found somebody) so far, for ``pressed_since``."""
        return self.looks, self.seen

    def pressed_since(self, mark: tuple[int, int]) -> bool:
        """Whether somebody was there in so many looks since then that the baseline may have been
        slowed.

        A single call is refused in a millisecond and gains nothing; who slows the baseline has to
        go on.
        """
        looks, seen = self.looks - mark[0], self.seen - mark[1]
        return seen >= max(FEWEST, PRESSING * looks)

    def _read(self) -> Iterator[str]:
        for table in self._tables:
            try:
                yield table.read_text()
            except OSError:
                continue
