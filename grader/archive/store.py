"""Snapshots as bytes: to cross a pipe, and to be stored under their digest.

Deterministic, bounded, never pickle.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from grader.job import Snapshot
from grader.lab import SourceFile, tree_digest

MAGIC = b"SEATRIAL1"
MAX_BYTES = 256 << 20
EPOCH = (2026, 1, 1, 0, 0, 0)


def dump(snapshot: Snapshot) -> bytes:
    """MAGIC, then deflated: header length (4 bytes, big endian), header (JSON rows of path, size,
    executable), data.
    """
    paths = sorted(snapshot.files, key=str)
    rows = [[str(p), len(snapshot.files[p].data), snapshot.files[p].executable] for p in paths]
    header = json.dumps(rows).encode()
    body = b"".join(
        [struct.pack(">I", len(header)), header, *(snapshot.files[p].data for p in paths)]
    )
    return MAGIC + zlib.compress(body, 6)


def parse(data: bytes) -> Snapshot:
    """The inverse of ``dump``. Raises ValueError for anything else."""
    if not data.startswith(MAGIC):
        raise ValueError("not a snapshot")
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(data[len(MAGIC) :], MAX_BYTES)
    except zlib.error as error:
        raise ValueError("damaged snapshot") from error
    if not inflate.eof or len(body) < 4:
        raise ValueError("damaged or too large snapshot")
    (size,) = struct.unpack_from(">I", body)
    files: dict[PurePosixPath, SourceFile] = {}
    at = 4 + size
    for name, length, executable in json.loads(body[4:at]):
        if not (
            isinstance(name, str)
            and isinstance(length, int)
            and length >= 0
            and isinstance(executable, bool)
        ):
            raise ValueError("damaged snapshot")
        files[PurePosixPath(name)] = SourceFile(body[at : at + length], executable)
        at += length
    if at != len(body):
        raise ValueError("damaged snapshot")
    return Snapshot(files, tree_digest(files))


def pack_zip(files: Mapping[PurePosixPath, SourceFile]) -> bytes:
    """A zip with the same bytes for the same files: what a learner downloads."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files, key=str):
            info = zipfile.ZipInfo(str(path), EPOCH)
            info.external_attr = (0o100755 if files[path].executable else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[path].data)
    return out.getvalue()
