"""Reading zip and tar.gz members as a stream, into a Collector.

Runs only in the bounded child process.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from grader.archive.collect import Collector, checked_path, too_large
from grader.archive.limits import ArchiveLimits
from grader.errors import ArchiveRefused
from grader.job import Snapshot

CHUNK = 1 << 16
HEADERS_FACTOR = 2
"""A tar's headers and padding come on top of its files; beyond this the archive is mostly not
files.
"""
MADE_ON_WINDOWS = 0
EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
CORRUPT = ArchiveRefused(
    "The archive is damaged or cut short.", "Pack it again and check that it opens."
)


def read(path: Path, collector: Collector) -> Snapshot:
    """Read the archive at ``path``. Raises ArchiveRefused."""
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if head[:2] == b"PK":
            _read_zip(file, collector)
        elif head[:2] == b"\x1f\x8b":
            _read_tar(_Inflated(file, collector), collector)
        elif head[257:262] == b"ustar":
            _read_tar(file, collector)
        elif not head:
            raise ArchiveRefused(
                "The file is empty.", "Choose a .zip or .tar.gz of your project folder."
            )
        else:
            raise ArchiveRefused(
                "This is neither a zip nor a tar.gz nor a tar.",
                "Pack your project folder as .zip or .tar.gz.",
            )
    return collector.snapshot()


class _Inflated(io.RawIOBase):
    """Gunzips every member of a stream, and counts what comes out of the decompressor, whatever
    headers say.
    """

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
            piece = self._next()
            if not piece:
                break
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

    def _next(self) -> bytes:
        """The next piece to inflate, of this member or of one behind it; empty at the end."""
        if not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._file.read(CHUNK)
            if not piece:
                raise CORRUPT
            return piece
        behind = self._inflate.unused_data or self._file.read(CHUNK)
        if not behind.strip(b"\0"):
            return b""  # padding, as tapes had it
        if behind[:1] != b"\x1f":
            raise CORRUPT
        self._inflate = zlib.decompressobj(wbits=31)
        return behind


def _members(limits: ArchiveLimits) -> type[tarfile.TarInfo]:
    """Members of one tar, whose extended headers are bounded before they are read and parsed."""
    left = limits.headers

    class Bounded(tarfile.TarInfo):
        def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
            nonlocal left
            if self.type in EXTENDED:
                left -= max(self.size, 0)
                if left < 0:
                    raise too_large(limits)
            read: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
            return read

    return Bounded


def _read_tar(stream: IO[bytes] | _Inflated, collector: Collector) -> None:
    kind = _members(collector.limits)
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK, tarinfo=kind) as tar:
            for count, member in enumerate(tar):
                _count(count, collector)
                path = None if member.isdir() else checked_path(member.name, collector.limits)
                if path is None or not collector.wants(path):
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                    collector.refuse(path, _not_a_file(member.name))
                    continue
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
                    raise ArchiveRefused(
                        "The archive is encrypted.", "Pack it again without a password."
                    )
                name = _name(info)
                path = None if name.endswith("/") else checked_path(name, collector.limits)
                if path is None or not collector.wants(path):
                    continue
                mode = info.external_attr >> 16
                if "\0" in info.orig_filename or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
                    collector.refuse(path, _not_a_file(info.filename))
                    continue
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ArchiveRefused(
                        "The archive uses a rare compression.", "Pack it with the default settings."
                    )
                collector.take(path, _unzip(archive, info, collector), bool(mode & 0o111))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        OverflowError,
        NotImplementedError,
    ):
        raise CORRUPT from None


def _name(info: zipfile.ZipInfo) -> str:
    """Windows PowerShell writes backslashes between folders, which on Windows are in no name."""
    name = info.orig_filename.partition("\0")[0] if "\0" in info.orig_filename else info.filename
    return name.replace("\\", "/") if info.create_system == MADE_ON_WINDOWS else name


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
        f"{shown!r} is a link, a device or another special file.",
        "Only regular files and folders are allowed.",
    )
