"""What learners upload, and what they are told when it can't be used."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from grader.archive import ArchiveLimits, dump, pack_zip, parse, read_archive, read_folder_snapshot
from grader.errors import ArchiveRefused
from grader.job import Snapshot
from grader.lab import SourceFile, tree_digest

FILES = {
    PurePosixPath("Dockerfile"): SourceFile(b"FROM seatrial/runtime:1\n"),
    PurePosixPath("src/run.sh"): SourceFile(b"#!/bin/sh\n", executable=True),
}


def write_zip(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def refusal(path: Path, limits: ArchiveLimits | None = None) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        read_archive(path, limits)
    assert caught.value.advice, "a refusal says what to do"
    return caught.value


def test_a_packed_zip_is_read_back(tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(pack_zip(FILES))
    snapshot = read_archive(path)
    assert snapshot.files == FILES
    assert snapshot.digest == tree_digest(FILES)


def test_packing_is_deterministic():
    assert pack_zip(FILES) == pack_zip(dict(reversed(FILES.items())))


def test_a_tar_gz_gives_the_same_digest(tmp_path: Path):
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, file in FILES.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mode = len(file.data), 0o755 if file.executable else 0o644
            tar.addfile(info, io.BytesIO(file.data))
    assert read_archive(path).digest == tree_digest(FILES)


def test_a_folder_around_everything_is_stripped(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", {"project/Dockerfile": b"FROM a", "project/src/b.py": b""})
    assert set(map(str, read_archive(path).files)) == {"Dockerfile", "src/b.py"}


def test_a_folder_stays_when_the_dockerfile_is_outside_it(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", {"Dockerfile": b"FROM a", "project/b.py": b""})
    assert set(map(str, read_archive(path).files)) == {"Dockerfile", "project/b.py"}


def test_junk_is_left_out_and_does_not_prevent_stripping(tmp_path: Path):
    names = [
        "p/Dockerfile",
        "__MACOSX/p/._Dockerfile",
        "p/.DS_Store",
        "p/__pycache__/a.pyc",
        "p/.git/HEAD",
        "p/b.pyc",
    ]
    path = write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    assert set(map(str, read_archive(path).files)) == {"Dockerfile"}


def test_a_missing_dockerfile_is_told_with_the_one_nearby(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", {"app/Dockerfile": b"FROM a", "README.md": b""})
    assert "no Dockerfile at the root" in refusal(path).message
    assert "app/Dockerfile" in refusal(path).advice
    path = write_zip(tmp_path / "b.zip", {"Dockerfile.txt": b"FROM a", "README.md": b""})
    assert "Dockerfile.txt" in refusal(path).advice
    path = write_zip(tmp_path / "c.zip", {"docker-compose.yml": b"", "README.md": b""})
    assert "Compose files are not read" in refusal(path).advice


def test_each_broken_upload_has_a_message_of_its_own(tmp_path: Path):
    path = tmp_path / "upload"
    cases: dict[str, bytes] = {
        "The file is empty": b"",
        "neither a zip nor a tar.gz": b"Rar!\x1a\x07 and so on",
        "damaged": pack_zip(FILES)[:-30],
        "archive is empty": pack_zip({}),
    }
    for expected, data in cases.items():
        path.write_bytes(data)
        assert expected in refusal(path).message


def test_a_cut_tar_gz_is_damaged(tmp_path: Path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = 100_000
        tar.addfile(info, io.BytesIO(os.urandom(100_000)))
    path.write_bytes(path.read_bytes()[:50_000])
    assert "damaged" in refusal(path).message


def test_an_encrypted_zip(tmp_path: Path):
    data = bytearray(pack_zip(FILES))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(signature, at + 4)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert "encrypted" in refusal(path).message
    assert "password" in refusal(path).advice


def test_an_upload_that_is_too_large_is_not_even_opened(tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(bytes((10 << 20) + 1))
    assert refusal(path).message == "The archive has 10.1 MB; 10 MB are allowed."


def test_a_snapshot_is_stored_and_read_back():
    snapshot = Snapshot(FILES, tree_digest(FILES))
    assert parse(dump(snapshot)) == snapshot
    assert dump(snapshot) == dump(Snapshot(dict(reversed(FILES.items())), snapshot.digest))


def test_damaged_stored_snapshots_are_refused():
    good = dump(Snapshot(FILES, tree_digest(FILES)))
    for bad in (b"", b"x" + good, good[:-3], good[:12], good[:9] + b"\0" * 50):
        with pytest.raises(ValueError, match=r"snapshot"):
            parse(bad)


def test_a_folder_is_read_like_an_upload(tmp_path: Path):
    for name, file in FILES.items():
        full = tmp_path / name
        full.parent.mkdir(exist_ok=True)
        full.write_bytes(file.data)
        full.chmod(0o755 if file.executable else 0o644)
    for junk in (".git/HEAD", ".venv/bin/python", "__pycache__/a.pyc"):
        (tmp_path / junk).parent.mkdir(parents=True)
        (tmp_path / junk).write_bytes(b"x")
    assert read_folder_snapshot(tmp_path).digest == tree_digest(FILES)


@pytest.mark.parametrize("target", ["Dockerfile", "/etc", "nowhere"])
def test_links_in_a_folder_are_refused(tmp_path: Path, target: str):
    (tmp_path / "Dockerfile").write_text("FROM a")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ArchiveRefused, match="link is a link"):
        read_folder_snapshot(tmp_path)


def test_a_pipe_in_a_folder_is_refused_without_waiting_for_it(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveRefused, match="special file"):
        read_folder_snapshot(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(ArchiveRefused, match="There is no folder"):
        read_folder_snapshot(tmp_path / "missing")
