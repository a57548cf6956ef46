"""Counting what a file tree really takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from grader.engines.docker.build import disk
from grader.engines.docker.build.disk import Layers, taken


def test_blocks_and_inodes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "full").write_bytes(b"x" * 40_000)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "link").symlink_to("/usr")
    seen = taken(tmp_path, 1 << 40)
    assert seen.inodes == 4
    assert 40_000 <= seen.bytes < 1 << 20, "a hole takes no blocks, and no link is followed"


def test_counting_stops_where_a_bound_is_broken(tmp_path: Path) -> None:
    for folder in range(5):
        (tmp_path / str(folder)).mkdir()
        for number in range(20):
            (tmp_path / str(folder) / str(number)).touch()
    assert 10 < taken(tmp_path, 1 << 40, most_inodes=10).inodes < 60


def test_folders_without_end_count_as_too_many(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        assert taken(tmp_path, 1 << 40).inodes > disk.MAX_INODES
    finally:
        # pytest removes old folders by recursion, and would end a later session with an error.
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_what_can_not_be_read_is_nothing(tmp_path: Path) -> None:
    assert taken(tmp_path / "nowhere", 1) == disk.Taken()
    assert not disk.is_scarce(tmp_path / "nowhere")


def test_finished_layers_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 9000)
    asked: list[Path] = []
    monkeypatch.setattr(disk, "taken", lambda tree, most: asked.append(tree) or taken(tree, most))
    layers = Layers(1 << 30)
    for _ in range(3):
        assert layers.look([tmp_path / "one"], [tmp_path / "two"]).inodes == 2
    assert asked.count(tmp_path / "two") == 1
    assert asked.count(tmp_path / "one") == 3


def test_scarce_is_told_by_space_and_by_inodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    assert not disk.is_scarce(tmp_path)
    for name, value in (("f_bavail", 10), ("f_favail", 5)):
        fields = {n: getattr(real, n) for n in ("f_bavail", "f_frsize", "f_files", "f_favail")} | {
            "f_files": 1000
        }
        fields |= {"f_favail": 10**6, name: value}
        monkeypatch.setattr(
            disk.os, "statvfs", lambda _path, fields=fields: type("Seen", (), fields)
        )
        assert disk.is_scarce(tmp_path)
