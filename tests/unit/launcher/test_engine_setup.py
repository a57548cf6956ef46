"""Starting an engine of our own, with a stand-in for dockerd: it is awaited, explained when it
fails, and stopped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.engines.docker.sandbox import DockerSandbox
from launcher import engine_setup
from launcher.engine_setup import Engine
from launcher.problem import LaunchError


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """No engine answers until the returned list is down to None; no systemd, and we are root."""
    answers: list[str | None] = ["no socket", "no socket", None]
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(
        engine_setup, "unanswered", lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    )
    monkeypatch.setattr(engine_setup, "root_prefix", lambda: [])
    monkeypatch.setattr(engine_setup, "SYSTEMD", Path("/nonexistent"))
    monkeypatch.setattr(engine_setup, "START_SECONDS", 5.0)
    monkeypatch.setattr(DockerSandbox, "check", lambda _self: None)
    return answers


def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    path = tmp_path / "dockerd"
    path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(engine_setup, "_daemon_path", lambda: str(path))
    return tmp_path / "pid"


def test_it_is_started_awaited_and_stopped(
    no_engine: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = daemon(tmp_path, monkeypatch, "exec sleep 60")
    said: list[str] = []
    engine = Engine(tmp_path / "log" / "dockerd.log")
    engine.ensure(said.append)
    assert said == ["starting the container engine", "the container engine answers"]
    pid = int(pid_file.read_text())
    os.kill(pid, 0)
    engine.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_daemon_that_dies_is_explained_by_its_last_line(
    no_engine: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_engine[:] = ["no socket"]
    daemon(tmp_path, monkeypatch, "echo first; echo 'no overlay here' >&2; exit 5")
    with pytest.raises(LaunchError) as caught:
        Engine(tmp_path / "dockerd.log").ensure(lambda _text: None)
    assert "code 5: no overlay here" in caught.value.message
    assert "dockerd.log" in caught.value.advice


def test_docker_is_installed_where_that_is_allowed(
    no_engine: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []

    def install(_prefix: list[str], *packages: str) -> None:
        installed.extend(packages)
        daemon(tmp_path, monkeypatch, "exec sleep 60")

    monkeypatch.setattr(engine_setup, "_daemon_path", lambda: None)
    monkeypatch.setattr(engine_setup, "DEBIAN", tmp_path)
    monkeypatch.setattr(engine_setup, "apt_install", install)
    engine = Engine(tmp_path / "dockerd.log")
    engine.ensure(lambda _text: None)
    engine.stop()
    assert installed == ["docker.io", "iptables"]


@pytest.mark.parametrize(
    ("text", "stale"), [("{pid}", False), ("1", True), ("999999999", True), ("no number", True)]
)
def test_a_pid_file_of_another_process_is_stale(tmp_path: Path, text: str, stale: bool) -> None:
    file = tmp_path / "engine.pid"
    file.write_text(text.format(pid=os.getpid()))
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    assert engine_setup.is_stale(file, name) is stale


def test_no_pid_file_is_not_stale(tmp_path: Path) -> None:
    assert engine_setup.is_stale(tmp_path / "none", "dockerd") is False
