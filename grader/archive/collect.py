"""Collects the files of a snapshot under every bound of an upload.

Names are judged here, in one place.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from grader.archive.limits import JUNK, VENV_MARK, ArchiveLimits
from grader.dockerfile.lint import missing
from grader.errors import ArchiveRefused
from grader.job import Snapshot
from grader.lab import SourceFile, tree_digest

DOCKERFILE = PurePosixPath("Dockerfile")


JOINER = "\N{ZERO WIDTH JOINER}"
"""Joins emoji into one; it can't reorder or hide letters as other format characters do."""


def checked_path(name: str, limits: ArchiveLimits) -> PurePosixPath | None:
    """The relative path that ``name`` stands for, or None for nothing.

    Raises ArchiveRefused for anything doubtful.
    """
    shown = name.encode("ascii", "backslashreplace").decode()[:80]
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ArchiveRefused(
            f"The name {shown!r} is not text.", "Rename the file to plain letters."
        ) from None
    if size > limits.name:
        raise ArchiveRefused(
            f"A name is longer than {limits.name} bytes: {shown!r}.",
            "Use shorter folders and names.",
        )
    if "\\" in name or any(
        unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in name.replace(JOINER, "")
    ):
        raise ArchiveRefused(
            f"The name {shown!r} holds a backslash or a control character.", "Rename the file."
        )
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        raise ArchiveRefused(
            f"The path {shown!r} is absolute.", "Pack the folder with relative paths."
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveRefused(
            f"The path {shown!r} leads out of the folder.", "Pack the folder itself, without '..'."
        )
    if len(parts) > limits.depth:
        raise ArchiveRefused(
            f"Folders are nested more than {limits.depth} deep.", "Flatten the project."
        )
    return PurePosixPath(*parts) if parts else None


def junk(path: PurePosixPath) -> str:
    """The part of a path for which it is left out; empty for what is taken."""
    for part in path.parts:
        if part in JUNK:
            return part
    name = path.name
    return "._*" if name.startswith("._") else "*.pyc" if name.endswith(".pyc") else ""


class Collector:
    """Takes files one by one and gives a snapshot at the end."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self.limits = limits
        self._files: dict[PurePosixPath, SourceFile] = {}
        self._keys: dict[str, PurePosixPath] = {}
        self._folders: set[str] = set()
        self._bytes = 0
        self._left: dict[str, int] = {}
        self._refused: dict[PurePosixPath, ArchiveRefused] = {}

    def refuse(self, path: PurePosixPath, error: ArchiveRefused) -> None:
        """Remember what can't be taken: inside a virtual environment, which is left out, it does
        not matter.
        """
        if not junk(path):
            self._refused.setdefault(path, error)

    def wants(self, path: PurePosixPath) -> bool:
        """Whether to read this file at all. What is junk is counted and left out."""
        reason = junk(path)
        if reason:
            self._left[reason] = self._left.get(reason, 0) + 1
        return not reason

    def take(self, path: PurePosixPath, data: bytes, executable: bool) -> None:
        """Raises ArchiveRefused when a bound is broken or a name stands twice."""
        self._bytes += len(data)
        if self._bytes > self.limits.unpacked:
            raise too_large(self.limits)
        if len(self._files) >= self.limits.files:
            raise ArchiveRefused(
                f"There are more than {self.limits.files} files.",
                "Leave out data, caches and virtual environments.",
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
        """What was taken, without a single folder around it.

        Raises ArchiveRefused when there is no Dockerfile.
        """
        files = self._without_environments()
        if not files:
            raise ArchiveRefused(
                "The archive is empty.", "Pack your project folder, with its Dockerfile."
            )
        tops = {path.parts[0] for path in files}
        if (
            DOCKERFILE not in files
            and len(tops) == 1
            and all(len(path.parts) > 1 for path in files)
        ):
            files = {PurePosixPath(*path.parts[1:]): file for path, file in files.items()}
        if DOCKERFILE not in files:
            fault = missing(files)
            raise ArchiveRefused(fault.text, fault.advice)
        left = tuple(
            f"{name} ({count} file{'s' if count > 1 else ''})"
            for name, count in sorted(self._left.items())
        )
        return Snapshot(files, tree_digest(files), left)

    def _without_environments(self) -> dict[PurePosixPath, SourceFile]:
        """What was taken outside virtual environments.

        Raises ArchiveRefused for what could not be taken there.
        """
        roots = [
            path.parent for path in self._files if path.name == VENV_MARK and path.parent.parts
        ]
        for root in roots:
            inside = sum(root in path.parents for path in self._files)
            self._left[f"{root}/"] = inside
        for path, error in self._refused.items():
            if not any(root in path.parents for root in roots):
                raise error
        return {
            p: file
            for p, file in self._files.items()
            if not any(root in p.parents for root in roots)
        }


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def too_large(limits: ArchiveLimits) -> ArchiveRefused:
    return ArchiveRefused(
        f"Unpacked, it is larger than {limits.unpacked >> 20} MB.",
        "Leave out data, models and virtual environments.",
    )
