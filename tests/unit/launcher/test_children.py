"""Children are started again when they die, and nothing of them survives a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import wait_for

from launcher import children
from launcher.children import Child, stop_all

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-uc",
    (
        "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path(os.environ['ON']).touch(); time.sleep(60)"
    ),
]


@pytest.fixture
def started() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    stop_all(made, [True])


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_polite_child_stops_at_once(started: list[Child]) -> None:
    child = Child("sleeper", SLEEP, 10.0)
    started.append(child)
    child.start(os.environ)
    began = time.monotonic()
    stop_all([child], [False])
    assert not child.running
    assert time.monotonic() - began < 3


def stubborn(folder: Path, grace_s: float) -> Child:
    """A child that does not hear SIGTERM any more."""
    child = Child("stubborn", STUBBORN, grace_s)
    child.start({**os.environ, "ON": str(folder / "on")})
    wait_for((folder / "on").exists)
    return child


def test_a_stubborn_child_is_killed_after_its_grace(started: list[Child], tmp_path: Path) -> None:
    child = stubborn(tmp_path, 0.5)
    started.append(child)
    stop_all([child], [False])
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_a_second_signal_ends_the_grace(started: list[Child], tmp_path: Path) -> None:
    child = stubborn(tmp_path, 60.0)
    started.append(child)
    began = time.monotonic()
    stop_all([child], [True])
    assert time.monotonic() - began < 3


def test_grandchildren_go_with_their_group(started: list[Child], tmp_path: object) -> None:
    note = f"{tmp_path}/pid"
    code = (
        f"import subprocess as s, time; p = s.Popen({SLEEP!r}); open({note!r}, "
        "'w').write(str(p.pid)); time.sleep(60)"
    )
    child = Child("parent", [sys.executable, "-c", code], 5.0)
    started.append(child)
    child.start(os.environ)
    wait_for(lambda: os.path.exists(note) and os.path.getsize(note))
    with open(note) as file:
        grandchild = int(file.read())
    stop_all([child], [False])
    wait_for(lambda: gone(grandchild) or _zombie(grandchild))


def _zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


def test_a_dead_child_is_started_again_after_a_pause(
    started: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "BACKOFF_S", (0.2, 0.4))
    child = Child("dying", [sys.executable, "-c", "raise SystemExit(7)"], 5.0)
    started.append(child)
    child.start(os.environ)
    assert child.process is not None
    first = child.process.pid
    child.process.wait()
    child.revive(os.environ)
    assert child.process.pid == first, "it must wait before it starts again"

    def started_anew() -> bool:
        child.revive(os.environ)
        return child.process is not None and child.process.pid != first

    wait_for(started_anew)


def test_children_die_with_a_launcher_that_is_killed(tmp_path: object) -> None:
    code = (
        "import os, time; from launcher.children import Child; "
        f"c = Child('x', {SLEEP!r}, 5.0); c.start(os.environ); print(c.process.pid, flush=True); "
        "time.sleep(60)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    wait_for(lambda: gone(pid) or _zombie(pid))
