"""``./seatrial up`` as a person uses it: the page answers, a second start is fast, nothing is left
behind.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from site_up import ROOT, Up, free_port, processes_of

from grader.images import ensure

pytestmark = pytest.mark.docker


def wait_for_processes(home: Path, count: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while len(found := processes_of(home)) < count:
        assert time.monotonic() < deadline, (
            f"fewer than {count} processes after {seconds} s: {found}"
        )
        time.sleep(0.1)


@pytest.fixture(scope="module", autouse=True)
def images() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    ensure(client, print)
    yield client
    client.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Up]]:
    made: list[Up] = []
    yield made
    for one in made:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)


def test_serves_grades_stops_and_starts_again_fast(
    started: list[Up], tmp_path: Path, images: docker.DockerClient
) -> None:
    home, port = tmp_path / "home", free_port()
    first = Up(home, port)
    started.append(first)
    first.wait_for("grading is ready", 120)
    assert first.page() == 200
    assert f"http://127.0.0.1:{port}/first/" in first.output()
    assert json.loads((home / "engine.json").read_text())["ready"] is True
    assert (home / "secret.key").stat().st_mode & 0o777 == 0o600
    wait_for_processes(home, 3)  # web, worker and its housekeeping, which comes last
    assert first.stop() == 0
    assert processes_of(home) == []
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    installation = (home / "installation").read_text().strip()
    filters = {"label": f"seatrial.installation={installation}"}
    assert images.containers.list(all=True, filters=filters) == []
    assert images.volumes.list(filters=filters) == []

    began = time.monotonic()
    second = Up(home, port)
    started.append(second)
    second.wait_for("serving at", 20)
    assert time.monotonic() - began < 5
    assert second.page() == 200
    assert second.stop(signal.SIGINT) == 0
    assert processes_of(home) == []


def test_without_an_engine_the_site_serves_and_says_that_grading_is_paused(
    started: list[Up], tmp_path: Path
) -> None:
    up = Up(tmp_path / "home", free_port(), DOCKER_HOST="tcp://127.0.0.1:9")
    started.append(up)
    up.wait_for("serving at", 30)
    up.wait_for("grading is paused", 30)
    assert up.page() == 200
    state = json.loads((up.home / "engine.json").read_text())
    assert state["state"] == "unavailable"
    assert "DOCKER_HOST" in state["message"]
    assert state["advice"]
    assert up.stop() == 0
    assert processes_of(up.home) == []


def test_a_worker_that_dies_is_started_again(started: list[Up], tmp_path: Path) -> None:
    up = Up(tmp_path / "home", free_port())
    started.append(up)
    up.wait_for("grading is ready", 120)
    pattern = f"SEATRIAL_HOME={up.home}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = pattern in (entry / "environ").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if ours and parent == up.process.pid and b"worker" in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
    up.wait_for("the worker ended with code -9; starting it again", 15)
    assert up.stop() == 0
    assert processes_of(up.home) == []


def test_a_launcher_that_is_killed_takes_everything_along(
    started: list[Up], tmp_path: Path
) -> None:
    """Also with a client that never hangs up: the port has to be free for the next start."""
    up = Up(tmp_path / "home", free_port())
    started.append(up)
    up.wait_for("grading is ready", 120)
    wait_for_processes(up.home, 3)
    with socket.create_connection(("127.0.0.1", up.port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert idle.recv(12).startswith(b"HTTP/1.1")
        up.process.kill()
        up.process.wait(10)
        deadline = time.monotonic() + 30
        while left := processes_of(up.home):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    again = Up(up.home, up.port)
    started.append(again)
    again.wait_for("serving at", 30)
    assert again.stop() == 0


def test_a_second_up_on_the_same_home_and_a_busy_port_are_refused(
    started: list[Up], tmp_path: Path
) -> None:
    port = free_port()
    first = Up(tmp_path / "home", port)
    started.append(first)
    first.wait_for("serving at", 30)
    same_home = _run_up("--home", str(first.home), "--port", str(free_port()))
    assert same_home.returncode == 3
    assert f"Another './seatrial up' (process {first.process.pid})" in same_home.stderr
    same_port = _run_up("--home", str(tmp_path / "other"), "--port", str(port))
    assert same_port.returncode == 3
    assert f"Port {port}" in same_port.stderr
    assert f"--port {port + 1}" in same_port.stderr
    assert first.page() == 200
    assert first.stop() == 0


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    up = _run_up("--home", str(tmp_path / "file" / "home"))
    assert up.returncode == 3
    assert "can't be written" in up.stderr
    assert "--home" in up.stderr


def test_wrong_arguments_are_usage_errors() -> None:
    for arguments in (["--port", "0"], ["--port", "http"], ["--nothing"]):
        assert _run_up(*arguments).returncode == 2


def _run_up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "seatrial"), "up", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
