"""What stops a start, and what the person is told."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from launcher import preflight
from launcher.problem import LaunchError


def test_busy_port_names_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError) as caught:
            preflight.check_port("127.0.0.1", port)
    assert f"Port {port}" in caught.value.message
    assert f"--port {port + 1}" in caught.value.advice
    preflight.check_port("127.0.0.1", port)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(LaunchError, match="can't be opened"):
        preflight.check_port("192.0.2.77", 8000)


def test_home_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match="can't be written"):
        preflight.make_home(tmp_path / "file" / "home")


def test_home_is_made_and_left_empty(tmp_path: Path) -> None:
    preflight.make_home(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_second_holder_of_a_home_is_told_the_first(tmp_path: Path) -> None:
    with preflight.lock_home(tmp_path), pytest.raises(LaunchError) as caught:
        preflight.lock_home(tmp_path)
    assert str(os.getpid()) in caught.value.message
    preflight.lock_home(tmp_path).close()


@pytest.mark.parametrize(
    ("free", "first", "stops"),
    [(7e9, True, False), (5e9, True, True), (5e9, False, False), (1e8, False, True)],
)
def test_space(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, first: bool, stops: bool
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=int(free))
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _path: usage)
    if stops:
        with pytest.raises(LaunchError, match="GB free"):
            preflight.check_space(tmp_path, first=first)
    else:
        preflight.check_space(tmp_path, first=first)
