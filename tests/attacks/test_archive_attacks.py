"""Hostile archives: each is refused by the bounded child, and nothing is ever written to disk."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from grader.archive import ArchiveLimits, read_archive
from grader.errors import ArchiveRefused

DOCKERFILE = b"FROM seatrial/runtime:1\n"
MIB = 1 << 20


def member(name: str, data: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_gz(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = folder / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, data in (member("Dockerfile", DOCKERFILE), *members):
            tar.addfile(info, io.BytesIO(data))
    return path


def zipped(folder: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Dockerfile", DOCKERFILE)
        for name, data in entries:
            archive.writestr(name, data, compress_type=zipfile.ZIP_DEFLATED)
    return path


def zip_entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def test_the_helpers_make_archives_that_are_accepted(tmp_path: Path):
    assert len(read_archive(tar_gz(tmp_path, member("app.py"))).files) == 2
    assert len(read_archive(zipped(tmp_path, ("app.py", b"x"))).files) == 2


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/etc/passwd", "C:/out", "a\\..\\out", "a\nb", "\u202egnp"]
)
def test_traversal_names(tmp_path: Path, name: str):
    for path in (tar_gz(tmp_path, member(name)), zipped(tmp_path, (name, b"x"))):
        with pytest.raises(ArchiveRefused, match=r"leads out|absolute|control character"):
            read_archive(path)


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
    ],
)
def test_traversal_links_devices(tmp_path: Path, kind: bytes):
    with pytest.raises(ArchiveRefused, match="link, a device"):
        read_archive(tar_gz(tmp_path, member("evil", b"", type=kind, linkname="Dockerfile")))


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]
)
def test_traversal_links_devices_in_a_zip(tmp_path: Path, kind: int):
    with pytest.raises(ArchiveRefused, match="link, a device"):
        read_archive(zipped(tmp_path, (zip_entry("evil", kind | 0o777), b"/etc/passwd")))


def test_symlink_then_write(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = member("sub", b"", type=tarfile.SYMTYPE, linkname=str(outside))
    with pytest.raises(ArchiveRefused, match="link"):
        read_archive(tar_gz(tmp_path, link, member("sub/written")))
    assert list(outside.iterdir()) == []


def test_pax_header_bomb(tmp_path: Path):
    bomb = member("app.py", pax_headers={"comment": "A" * (120 * MIB)})
    path = tar_gz(tmp_path, bomb)
    assert path.stat().st_size < MIB
    with pytest.raises(ArchiveRefused, match="larger than 50 MB"):
        read_archive(path)


def test_gzip_bomb_counts_what_comes_out(tmp_path: Path):
    path = tmp_path / "a.tar.gz"
    info, _ = member(".git/left-out")  # skipping counts too
    info.size = 1 << 40
    path.write_bytes(gzip.compress(info.tobuf() + bytes(120 * MIB)))
    with pytest.raises(ArchiveRefused, match="larger than 50 MB"):
        read_archive(path)


def test_the_child_runs_out_of_memory_not_the_parent(tmp_path: Path):
    path = tar_gz(tmp_path, member("app.py", bytes(40 * MIB)))
    with pytest.raises(ArchiveRefused):
        read_archive(path, ArchiveLimits(memory=64 * MIB))
    assert len(read_archive(path).files) == 2


def test_reading_for_too_long_is_ended(tmp_path: Path):
    with pytest.raises(ArchiveRefused, match="too long"):
        read_archive(zipped(tmp_path), ArchiveLimits(wall_s=0.001))


def test_zip_bomb(tmp_path: Path):
    path = zipped(tmp_path, ("zeros", bytes(60 * MIB)))
    assert path.stat().st_size < MIB
    with pytest.raises(ArchiveRefused, match="larger than 50 MB"):
        read_archive(path)


@pytest.mark.parametrize("said", [10, 1 << 31])
def test_zip_lying_size(tmp_path: Path, said: int):
    path = zipped(tmp_path, ("app.py", b"x" * 5000))
    data = path.read_bytes()
    true, lie = struct.pack("<I", 5000), struct.pack("<I", said)
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, lie))
    with pytest.raises(ArchiveRefused, match="damaged"):
        read_archive(path)


def test_zip_overlapping_entries(tmp_path: Path):
    """Many names for one compressed body: the directory and the local headers disagree."""
    path = zipped(tmp_path, ("b0", bytes(20 * MIB)))
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("b0")
        for name in ("b1", "b2"):
            copy = zipfile.ZipInfo(name)
            for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(copy, field, getattr(first, field))
            archive.filelist.append(copy)
        archive._didModify = True
    with pytest.raises(ArchiveRefused):
        read_archive(path)


def test_case_nfc_duplicate(tmp_path: Path):
    composed, split = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    for pair in (
        ("App.py", "app.PY"),
        (composed, split),
        ("same", "same"),
        ("a", "a/b"),
        ("STRASSE", "stra\u00dfe"),
    ):
        with pytest.raises(ArchiveRefused, match="same name"):
            read_archive(tar_gz(tmp_path, *(member(name) for name in pair)))


def test_deep_nesting(tmp_path: Path):
    assert read_archive(tar_gz(tmp_path, member("/".join("a" * 20))))
    with pytest.raises(ArchiveRefused, match="20 deep"):
        read_archive(tar_gz(tmp_path, member("/".join("a" * 21))))


def test_long_name_and_bytes_that_are_no_text(tmp_path: Path):
    with pytest.raises(ArchiveRefused, match="longer than 200"):
        read_archive(tar_gz(tmp_path, member("n" * 201)))
    with pytest.raises(ArchiveRefused):
        read_archive(tar_gz(tmp_path, member("bad\udcff")))


def test_too_many_files_and_entries(tmp_path: Path):
    limits = ArchiveLimits(files=5, members=20)
    with pytest.raises(ArchiveRefused, match="more than 5 files"):
        read_archive(zipped(tmp_path, *((f"f{i}", b"") for i in range(5))), limits)
    folders = [member(f"d{i}", b"", type=tarfile.DIRTYPE) for i in range(20)]
    with pytest.raises(ArchiveRefused, match="more than 20 entries"):
        read_archive(tar_gz(tmp_path, *folders), limits)
