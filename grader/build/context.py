"""The build context: ours, packed from the checked snapshot, the same bytes for the same input."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

from grader.dockerfile import Plan
from grader.dockerfile.copying import FOLDER
from grader.dockerfile.ignore import keep
from grader.errors import BuildFailed
from grader.job import Snapshot

DOCKERFILE = ".seatrial.Dockerfile"
OURS = (DOCKERFILE, ".dockerignore", FOLDER)
"""Names at the root of the context that are ours. A folder of the learner's by such a name would break the engine."""
MAX_BYTES = 64 << 20
IN_MEMORY = 8 << 20


def pack(snapshot: Snapshot, plan: Plan, look: Callable[[], None] = lambda: None) -> IO[bytes]:
    """A tar at its beginning. The rewritten Dockerfile is in it under a name of ours that COPY never sees.

    Raises RunCancelled or BuildFailed by way of ``look``, which is called for every file.
    """
    out = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    ignore = snapshot.files.get(PurePosixPath(".dockerignore"))
    paths = keep(sorted(snapshot.files, key=str), ignore.data if ignore else None, look)
    total = 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        # The daemon reads these two and then takes them out of the context itself.
        _add(tar, DOCKERFILE, plan.text.encode(), 0o644)
        _add(tar, ".dockerignore", f"{DOCKERFILE}\n.dockerignore\n".encode(), 0o644)
        for name, data in plan.files.items():
            _add(tar, name, data, 0o644)
        for path in paths:
            look()
            if path.parts[0] in OURS:
                continue
            file = snapshot.files[path]
            total += len(file.data)
            if total > MAX_BYTES:
                raise BuildFailed("The project is too large to build.", "List large files in .dockerignore.")
            _add(tar, str(path), file.data, 0o755 if file.executable else 0o644)
    out.seek(0)
    return out


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), mode, 0
    tar.addfile(member, io.BytesIO(data))
