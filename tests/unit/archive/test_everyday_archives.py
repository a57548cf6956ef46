"""Archives as people's systems make them: what is taken, what is left out, and what is said about
it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader.archive import read_archive, read_folder_snapshot
from grader.errors import ArchiveRefused

FILES = {"Dockerfile": b"FROM a\n", "app.py": b"print(1)\n", "pkg/core.py": b"x = 1\n"}
NAMES = set(FILES)


def zip_file(path: Path, files: dict[str, bytes], system: int = 3) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x" * len(name.encode()))
            info.create_system = system
            info.filename = info.orig_filename = name
            archive.writestr(info, data)
    return path


def tar_bytes(
    files: dict[str, bytes], links: dict[str, str] | None = None, **options: object
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def names(path: Path) -> set[str]:
    return set(map(str, read_archive(path).files))


@pytest.mark.parametrize("top", ["", "my project/"])
def test_powershell_writes_backslashes(tmp_path: Path, top: str) -> None:
    files = {(top + name).replace("/", "\\"): data for name, data in FILES.items()}
    assert names(zip_file(tmp_path / "a.zip", files, system=0)) == NAMES


@pytest.mark.parametrize("name", ["..\\x", "C:\\x", "\\x", "a\\..\\..\\x"])
def test_backslashes_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveRefused):
        read_archive(zip_file(tmp_path / "a.zip", {**FILES, name: b""}, system=0))
    with pytest.raises(ArchiveRefused, match="backslash"):
        read_archive(zip_file(tmp_path / "b.zip", {**FILES, "a\\b": b""}, system=3))


def test_two_names_that_differ_by_their_slash_are_one(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="same name"):
        read_archive(zip_file(tmp_path / "a.zip", {**FILES, "pkg\\core.py": b"other"}, system=0))


@pytest.mark.parametrize("top", ["p/", "./"])
def test_macs_put_a_shadow_beside_each_file(tmp_path: Path, top: str) -> None:
    files = {"._p" if top == "p/" else "./._.": b"\0\5\x16\7"}
    for name, data in FILES.items():
        folder, _, last = (top + name).rpartition("/")
        files |= {f"{folder}/._{last}": b"\0\5\x16\7", top + name: data}
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes(files)))
    assert names(path) == NAMES
    assert read_archive(path).left_out == ("._* (4 files)",)


def test_a_plain_tar_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(FILES))
    assert names(path) == NAMES
    path.write_bytes(bz2.compress(tar_bytes(FILES)))
    with pytest.raises(ArchiveRefused, match="neither a zip nor"):
        read_archive(path)


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    """pigz and joined files: what stood in the second member was lost without a word."""
    data = tar_bytes(FILES)
    for cut in (1, 512, 700, len(data) // 2):
        path = tmp_path / "a.tar.gz"
        path.write_bytes(gzip.compress(data[:cut]) + gzip.compress(data[cut:]))
        assert names(path) == NAMES, cut
    path.write_bytes(gzip.compress(data) + b"\0" * 1000)
    assert names(path) == NAMES


@pytest.mark.parametrize("name", ["docs/👩‍💻.md", "docs/Größe – überblick.md", "docs/日本語.md"])
def test_names_of_all_languages(tmp_path: Path, name: str) -> None:
    assert names(zip_file(tmp_path / "a.zip", {**FILES, name: b""})) == {*NAMES, name}


@pytest.mark.parametrize("name", ["a\u202egpj.py", "a\u200bb", "a\u2066b"])
def test_marks_that_hide_or_turn_letters_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveRefused):
        read_archive(zip_file(tmp_path / "a.zip", {**FILES, name: b""}))


def test_environments_and_caches_are_left_out_and_named(tmp_path: Path) -> None:
    files = {
        **FILES,
        "my env/pyvenv.cfg": b"home = /usr",
        "my env/lib/a.py": b"",
        "node_modules/a/index.js": b"",
        ".git/HEAD": b"",
    }
    path = tmp_path / "a.tar.gz"
    path.write_bytes(
        gzip.compress(tar_bytes(files, {"my env/bin/python": "/usr/bin/python3", ".git/x": "/etc"}))
    )
    snapshot = read_archive(path)
    assert set(map(str, snapshot.files)) == NAMES
    assert snapshot.left_out == (".git (2 files)", "my env/ (2 files)", "node_modules (1 file)")


def test_a_link_elsewhere_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes(FILES, {"pkg/link": "/etc/passwd"})))
    with pytest.raises(ArchiveRefused, match="link"):
        read_archive(path)


def test_a_folder_is_read_as_an_archive_of_it_is(tmp_path: Path) -> None:
    for name, data in {**FILES, "env/pyvenv.cfg": b"", "env/x.py": b"", "._app.py": b""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "env" / "python").symlink_to("/usr/bin/python3")
    snapshot = read_folder_snapshot(tmp_path)
    assert set(map(str, snapshot.files)) == NAMES
    assert snapshot.left_out == ("._* (1 file)", "env/ (2 files)")


def test_extended_headers_are_bounded_before_they_are_parsed(tmp_path: Path) -> None:
    """36 KB held 24 MB of records of six bytes: 3.4 s of a processor for one upload."""
    record = b"6 a=b\n" * (4 << 20)
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + record + tar_bytes(FILES)))
    with pytest.raises(ArchiveRefused, match="larger than"):
        read_archive(path)


def test_long_names_still_fit(tmp_path: Path) -> None:
    long = {f"{'d' * 90}/{'e' * 90}/{number}.py": b"" for number in range(500)}
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / "a.tar.gz"
        path.write_bytes(gzip.compress(tar_bytes({**FILES, **long}, format=kind)))
        assert len(names(path)) == 503
