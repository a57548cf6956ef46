"""A project folder on this machine as a snapshot, under the same bounds as an upload."""

from __future__ import annotations

import os
from pathlib import Path

from grader.archive.collect import Collector, checked_path
from grader.archive.limits import JUNK, ArchiveLimits
from grader.errors import ArchiveRefused
from grader.job import Snapshot


def read_folder_snapshot(root: Path, limits: ArchiveLimits | None = None) -> Snapshot:
    """Every regular file below ``root`` but junk. Raises ArchiveRefused, also for links."""
    collector = Collector(limits or ArchiveLimits())
    if not root.is_dir():
        raise ArchiveRefused(
            f"There is no folder {str(root)!r}.", "Name the folder that holds your Dockerfile."
        )
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in JUNK)
        # os.walk lists a link to a folder among the folders and then leaves it out without a word.
        linked = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*names, *linked]):
            full = Path(folder, name)
            path = checked_path(full.relative_to(root).as_posix(), collector.limits)
            if path is None or not collector.wants(path):
                continue
            if full.is_symlink() or not full.is_file():
                what = f"{path} is a link or a special file."
                collector.refuse(
                    path, ArchiveRefused(what, "Only regular files are allowed; copy it instead.")
                )
                continue
            if full.stat().st_size > collector.limits.unpacked:
                raise ArchiveRefused(
                    f"{path} is too large.", "Leave out data, models and virtual environments."
                )
            collector.take(path, full.read_bytes(), bool(full.stat().st_mode & 0o111))
    return collector.snapshot()
