"""Reading zip and tar.gz members as a stream, into a Collector. Runs only in the bounded child process."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from grader.archive.collect import Collector, checked_path, too_large
from grader.errors import ArchiveRefused
from grader.job import Snapshot

CHUNK = 1 << 16
HEADERS_FACTOR = 2
"""A tar's headers and padding come on top of its files; beyond this the archive is mostly not files."""
CORRUPT = ArchiveRefused("The archive is damaged or cut short.", "Pack it again and check that it opens.")


def read(path: Path, collector: Collector) -> Snapshot:
    """Read the archive at ``path``. Raises ArchiveRefused."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"PK":
            _read_zip(file, collector)
        elif magic[:2] == b"\x1f\x8b":
            _read_tar(_Inflated(file, collector), collector)
        elif not magic:
            raise ArchiveRefused("The file is empty.", "Choose a .zip or .tar.gz of your project folder.")
        else:
            raise ArchiveRefused("This is neither a zip nor a tar.gz.", "Pack your project folder as .zip or .tar.gz.")
    return collector.snapshot()


class _Inflated(io.RawIOBase):
    """Gunzips and counts what comes out of the decompressor, whatever headers say."""

    def __init__(self, file: IO[bytes], collector: Collector) -> None:
        self._file, self._limits = file, collector.limits
        self._inflate = zlib.decompressobj(wbits=31)
        self._ready = b""
        self._count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = size if size >= 0 else CHUNK
        while len(self._ready) < wanted:
            piece = self._inflate.unconsumed_tail or self._file.read(CHUNK)
            if not piece:
                if not self._inflate.eof:
                    raise CORRUPT
                break
            if self._inflate.eof:
                break  # what follows the stream is ignored
            try:
                out = self._inflate.decompress(piece, CHUNK)
            except zlib.error:
                raise CORRUPT from None
            self._count += len(out)
            if self._count > self._limits.unpacked * HEADERS_FACTOR:
                raise too_large(self._limits)
            self._ready += out
        out, self._ready = self._ready[:wanted], self._ready[wanted:]
        return out


def _read_tar(stream: _Inflated, collector: Collector) -> None:
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            for count, member in enumerate(tar):
                _count(count, collector)
                if member.isdir():
                    continue
                path = checked_path(member.name, collector.limits)
                if path is None:
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                    raise _not_a_file(member.name)
                if member.size > collector.limits.unpacked:
                    raise too_large(collector.limits)
                body = tar.extractfile(member)
                data = body.read() if body is not None else b""
                if len(data) != member.size:
                    raise CORRUPT
                collector.take(path, data, bool(member.mode & 0o111))
    except (tarfile.TarError, EOFError, ValueError, OverflowError):
        raise CORRUPT from None


def _read_zip(file: IO[bytes], collector: Collector) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            for count, info in enumerate(archive.infolist()):
                _count(count, collector)
                if info.flag_bits & 0x1:
                    raise ArchiveRefused("The archive is encrypted.", "Pack it again without a password.")
                if info.is_dir():
                    continue
                path = checked_path(
                    info.orig_filename.split("\0")[0] if "\0" in info.orig_filename else info.filename, collector.limits
                )
                if path is None:
                    continue
                mode = info.external_attr >> 16
                if "\0" in info.orig_filename or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
                    raise _not_a_file(info.filename)
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ArchiveRefused("The archive uses a rare compression.", "Pack it with the default settings.")
                collector.take(path, _unzip(archive, info, collector), bool(mode & 0o111))
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError):
        raise CORRUPT from None


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, collector: Collector) -> bytes:
    pieces, size = [], 0
    with archive.open(info) as body:
        while piece := body.read(CHUNK):
            size += len(piece)
            if size > collector.limits.unpacked:
                raise too_large(collector.limits)
            pieces.append(piece)
    if size != info.file_size:
        raise CORRUPT
    return b"".join(pieces)


def _count(count: int, collector: Collector) -> None:
    if count >= collector.limits.members:
        raise ArchiveRefused(
            f"The archive has more than {collector.limits.members} entries.",
            "Leave out data, caches and virtual environments.",
        )


def _not_a_file(name: str) -> ArchiveRefused:
    shown = name.encode("ascii", "backslashreplace").decode()[:80]
    return ArchiveRefused(
        f"{shown!r} is a link, a device or another special file.", "Only regular files and folders are allowed."
    )
