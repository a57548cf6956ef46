"""Collects the files of a snapshot under every bound of an upload. Names are judged here, in one place."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from grader.archive.limits import JUNK, ArchiveLimits
from grader.errors import ArchiveRefused
from grader.job import Snapshot
from grader.spec import SourceFile, tree_digest

DOCKERFILE = PurePosixPath("Dockerfile")


def checked_path(name: str, limits: ArchiveLimits) -> PurePosixPath | None:
    """The relative path that ``name`` stands for, or None for junk. Raises ArchiveRefused for anything doubtful."""
    shown = name.encode("ascii", "backslashreplace").decode()[:80]
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ArchiveRefused(f"The name {shown!r} is not text.", "Rename the file to plain letters.") from None
    if size > limits.name:
        raise ArchiveRefused(f"A name is longer than {limits.name} bytes: {shown!r}.", "Use shorter folders and names.")
    if "\\" in name or any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in name):
        raise ArchiveRefused(f"The name {shown!r} holds a backslash or a control character.", "Rename the file.")
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        raise ArchiveRefused(f"The path {shown!r} is absolute.", "Pack the folder with relative paths.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveRefused(f"The path {shown!r} leads out of the folder.", "Pack the folder itself, without '..'.")
    if len(parts) > limits.depth:
        raise ArchiveRefused(f"Folders are nested more than {limits.depth} deep.", "Flatten the project.")
    if not parts or JUNK & set(parts) or parts[-1].endswith(".pyc"):
        return None
    return PurePosixPath(*parts)


class Collector:
    """Takes files one by one and gives a snapshot at the end."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self.limits = limits
        self._files: dict[PurePosixPath, SourceFile] = {}
        self._keys: dict[str, PurePosixPath] = {}
        self._folders: set[str] = set()
        self._bytes = 0

    def take(self, path: PurePosixPath, data: bytes, executable: bool) -> None:
        """Raises ArchiveRefused when a bound is broken or a name stands twice."""
        self._bytes += len(data)
        if self._bytes > self.limits.unpacked:
            raise too_large(self.limits)
        if len(self._files) >= self.limits.files:
            raise ArchiveRefused(
                f"There are more than {self.limits.files} files.", "Leave out data, caches and virtual environments."
            )
        key = _key(path)
        folders = {_key(parent) for parent in path.parents if parent.parts}
        if key in self._keys or key in self._folders or folders & self._keys.keys():
            raise ArchiveRefused(
                f"Two entries have the same name on some systems: {str(path)[:80]!r}.",
                "Rename one: case and accents alone don't tell files apart everywhere.",
            )
        self._keys[key] = path
        self._folders |= folders
        self._files[path] = SourceFile(data, executable)

    def snapshot(self) -> Snapshot:
        """What was taken, without a single folder around it. Raises ArchiveRefused when there is no Dockerfile."""
        files = self._files
        if not files:
            raise ArchiveRefused("The archive is empty.", "Pack your project folder, with its Dockerfile.")
        tops = {path.parts[0] for path in files}
        if DOCKERFILE not in files and len(tops) == 1 and all(len(path.parts) > 1 for path in files):
            files = {PurePosixPath(*path.parts[1:]): file for path, file in files.items()}
        if DOCKERFILE not in files:
            near = next((str(p) for p in files if p.name.lower() == "dockerfile"), "")
            found = f" There is one at {near[:80]!r}." if near else ""
            raise ArchiveRefused(
                f"There is no Dockerfile at the root of the project.{found}",
                "Put a file named Dockerfile at the top; the starter of the lab has an example.",
            )
        return Snapshot(files, tree_digest(files))


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def too_large(limits: ArchiveLimits) -> ArchiveRefused:
    return ArchiveRefused(
        f"Unpacked, it is larger than {limits.unpacked >> 20} MB.", "Leave out data, models and virtual environments."
    )
