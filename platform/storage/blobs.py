"""Content-addressed files below SEATRIAL_HOME/blobs.

A blob is never changed; its name is its sha256.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from pathlib import Path

from django.conf import settings

YOUNG_S = 3600.0
DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class BlobMissing(Exception):
    """A blob is gone or does not match its name any more. An operator restores it from a backup."""


def _path(digest: str) -> Path:
    if not DIGEST.match(digest):
        raise BlobMissing(f"{digest[:80]!r} is not a sha256 digest.")
    return Path(settings.SEATRIAL_HOME) / "blobs" / digest


def put(data: bytes) -> str:
    """Store ``data`` and return its sha256 hex. Storing the same bytes twice is a no-op."""
    digest = hashlib.sha256(data).hexdigest()
    path = _path(digest)
    if path.exists():
        os.utime(path)  # whoever sweeps leaves it alone until its row is written
        return digest
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return digest


def get(digest: str) -> bytes:
    """The bytes of a blob. Raises BlobMissing when it is gone or damaged."""
    try:
        data = _path(digest).read_bytes()
    except FileNotFoundError:
        raise BlobMissing(
            f"Blob {digest} is gone. Restore the folder 'blobs' from a backup."
        ) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise BlobMissing(f"Blob {digest} is damaged. Restore the folder 'blobs' from a backup.")
    return data


def sweep(named: set[str]) -> int:
    """Remove blobs that no row names and that nobody has stored for YOUNG_S. Returns how many."""
    removed = 0
    folder = Path(settings.SEATRIAL_HOME) / "blobs"
    for entry in os.scandir(folder) if folder.is_dir() else ():
        if (
            DIGEST.match(entry.name)
            and entry.name not in named
            and time.time() - entry.stat().st_mtime > YOUNG_S
        ):
            os.unlink(entry.path)
            removed += 1
    return removed
