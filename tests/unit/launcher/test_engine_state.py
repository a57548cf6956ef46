"""The state of the engine: what the launcher writes is what the site reads, and what an operator is
told.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from launcher import engine_setup, engine_watch
from launcher.engine_setup import Engine
from launcher.engine_watch import EngineWatch, write_state
from launcher.problem import LaunchError
from webui.engine_state import read_engine_state


@pytest.mark.parametrize(
    ("state", "ready"), [("ready", True), ("preparing", False), ("unavailable", False)]
)
def test_the_site_reads_what_the_launcher_writes(
    tmp_path: Path, state: engine_watch.State, ready: bool
) -> None:
    write_state(tmp_path, state, "message", "advice")
    read = read_engine_state(tmp_path)
    assert (read.ready, read.message, read.advice) == (ready, "message", "advice")
    assert json.loads((tmp_path / "engine.json").read_text())["state"] == state
    assert [path.name for path in tmp_path.iterdir()] == ["engine.json"]


def test_an_engine_named_by_docker_host_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setattr(engine_setup, "apt_install", lambda *_: pytest.fail("must not install"))
    with pytest.raises(LaunchError, match="DOCKER_HOST"):
        Engine(tmp_path / "log").ensure(lambda _text: None)


def test_without_rights_the_person_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine_setup, "unanswered", lambda _sandbox: "no socket")
    monkeypatch.setattr(engine_setup, "root_prefix", lambda: None)
    monkeypatch.setattr(engine_setup.shutil, "which", lambda _name: None)
    with pytest.raises(LaunchError) as caught:
        Engine(tmp_path / "log").ensure(lambda _text: None)
    assert "apt-get install docker.io" in caught.value.advice


def test_without_an_engine_the_watch_says_so_and_ends_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Engine, _progress: object) -> None:
        raise LaunchError("no engine", "install one")

    monkeypatch.setattr(Engine, "ensure", refuse)
    stop = threading.Event()
    watch = EngineWatch(tmp_path, stop)
    watch.start()
    while not (tmp_path / "engine.json").exists():
        stop.wait(0.02)
    stop.set()
    watch.join(5)
    assert not watch.is_alive()
    assert not watch.ready.is_set()
    assert read_engine_state(tmp_path).message == "no engine"


def test_a_daemon_that_was_not_started_here_is_not_stopped(tmp_path: Path) -> None:
    Engine(tmp_path / "log").stop()
