"""The build context: ours, packed from the checked snapshot, the same bytes for the same input."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO

from grader.dockerfile import Plan
from grader.dockerfile.copying import PROJECT
from grader.dockerfile.globs import matches, segment
from grader.dockerfile.ignore import keep
from grader.dockerfile.plan import ModeCopy
from grader.errors import BuildFailed
from grader.job import Snapshot

DOCKERFILE = ".seatrial.Dockerfile"
MAX_BYTES = 64 << 20
IN_MEMORY = 8 << 20


def pack(snapshot: Snapshot, plan: Plan, look: Callable[[], None] = lambda: None) -> IO[bytes]:
    """A tar at its beginning: the project in a folder of its own, and beside it what is ours.

    ``look`` is called for every file and may raise, to end it. Raises BuildFailed for a project
    that is too large.
    """
    out = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            # The daemon reads these two and then takes them out of the context itself.
            _add(tar, DOCKERFILE, plan.text.encode(), 0o644)
            _add(tar, ".dockerignore", f"{DOCKERFILE}\n.dockerignore\n".encode(), 0o644)
            for name, (data, mode) in plan.files.items():
                _add(tar, name, data, mode)
            _project(tar, snapshot, plan, look)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _project(
    tar: tarfile.TarFile, snapshot: Snapshot, plan: Plan, look: Callable[[], None]
) -> None:
    ignore = snapshot.files.get(PurePosixPath(".dockerignore"))
    paths = keep(sorted(snapshot.files, key=str), ignore.data if ignore else None, look)
    total = 0
    _folder(tar, PROJECT, 0o755)
    for name, path, mode in _entries(snapshot, plan, paths):
        look()
        if path is None:
            _folder(tar, name, mode)
            continue
        data = snapshot.files[path].data
        total += len(data)
        if total > MAX_BYTES:
            raise BuildFailed(
                "The project is too large to build.", "List large files in .dockerignore."
            )
        _add(tar, name, data, mode)


def _entries(
    snapshot: Snapshot, plan: Plan, paths: list[PurePosixPath]
) -> Iterator[tuple[str, PurePosixPath | None, int]]:
    """(name in the context, file of the project or None for a folder, mode)."""
    for path in paths:
        yield f"{PROJECT}/{path}", path, 0o755 if snapshot.files[path].executable else 0o644
    for copy in plan.modes:
        folders: set[PurePosixPath] = set()
        for path, depth in _matching(copy, paths):
            # Folders that are copied get the mode too, as BuildKit does it.
            for folder in [path.parents[n] for n in range(len(path.parts) - 1 - depth, -1, -1)]:
                if folder not in folders and folder.parts:
                    folders.add(folder)
                    yield f"{copy.folder}/{folder}", None, copy.mode
            yield f"{copy.folder}/{path}", path, copy.mode


def _matching(copy: ModeCopy, paths: list[PurePosixPath]) -> Iterator[tuple[PurePosixPath, int]]:
    """Files that the sources name, with the number of segments of the source that is or holds the
    file.
    """
    tests = [[segment(part) for part in source.split("/") if part] for source in copy.sources]
    for path in paths:
        found = [len(test) for test in tests if matches(test, path.parts[: len(test)])]
        if found:
            yield path, min(found)


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), mode, 0
    tar.addfile(member, io.BytesIO(data))


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, mode, 0
    tar.addfile(member)
