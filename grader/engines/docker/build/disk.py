"""What a running step takes of the engine's disk, seen from the host: blocks and inodes, whatever
sizes it claims.

The engine reports apparent sizes. A file can hold blocks without a size, and empty files hold
inodes. Where the engine runs on this machine, its layers can be counted; on another machine only
its own figures are left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAX_INODES = 100_000
"""Of a whole build. Installing torch and all that it needs makes some 40,000 files."""
FREE_BYTES = 512 << 20
FREE_INODES = 20_000
"""What has to stay free for databases and the engine itself."""
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Taken:
    """Of one file tree. Counting stops soon after a bound is broken, so both are at least this."""

    bytes: int = 0
    inodes: int = 0


def taken(tree: Path, most_bytes: int, most_inodes: int = MAX_INODES) -> Taken:
    """Blocks and inodes below ``tree``; nothing where it can't be read.

    No link is followed, not even a fresh one.
    """
    size = inodes = 0
    try:
        for _, folders, files, handle in os.fwalk(tree, follow_symlinks=False):
            for name in (*folders, *files):
                inodes += 1
                try:
                    size += os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks * BLOCK
                except FileNotFoundError:
                    continue
            if size > most_bytes or inodes > most_inodes:
                break
    except RecursionError:
        return Taken(size, most_inodes + 1)  # nobody needs a thousand folders in each other
    except OSError:
        return Taken()
    return Taken(size, inodes)


class Layers:
    """The layers of one build.

    Those of finished steps do not change any more and are counted once.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._finished: dict[Path, Taken] = {}

    def look(self, running: Iterable[Path], finished: Iterable[Path]) -> Taken:
        """The largest layer's blocks, and the inodes of all."""
        found = [taken(layer, self._most_bytes) for layer in running]
        for layer in finished:
            if layer not in self._finished:
                self._finished[layer] = taken(layer, self._most_bytes)
        found += self._finished.values()
        return Taken(max((t.bytes for t in found), default=0), sum(t.inodes for t in found))


def is_scarce(folder: Path) -> bool:
    """Whether the file system of ``folder`` is nearly out of space or inodes.

    False where nobody can say.
    """
    try:
        seen = os.statvfs(folder)
    except OSError:
        return False
    no_inodes = seen.f_files > 0 and seen.f_favail < FREE_INODES  # some file systems count none
    return seen.f_bavail * seen.f_frsize < FREE_BYTES or no_inodes
