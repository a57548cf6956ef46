"""Slots are held by processes, counted by cores, and waited for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grader import slots


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path))
    monkeypatch.delenv("SEATRIAL_SLOTS", raising=False)


@pytest.mark.parametrize(("cores", "runs"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_two_cores_a_run(cores: int, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots.os, "cpu_count", lambda: cores)
    assert slots.slot_count() == runs


def test_no_more_slots_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "2")
    with slots.try_slot() as one, slots.try_slot() as two, slots.try_slot() as three:
        assert (one, two, three) == (True, True, False)
    with slots.try_slot() as again:
        assert again


def test_a_folder_that_is_not_there_yet_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path / "var" / "slots"))
    with slots.try_slot() as one:
        assert one


def test_a_killed_process_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    code = (
        "import time; from grader.slots import machine_slot\n"
        "with machine_slot(print): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    said: list[str] = []
    threading.Timer(0.2, holder.kill).start()
    began = time.monotonic()
    with slots.machine_slot(said.append):
        assert time.monotonic() - began > 0.1
    assert len(said) == 1
    holder.wait()


def test_who_takes_one_slot_after_the_other_lets_those_in_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    order: list[str] = []

    def other() -> None:
        with slots.machine_slot(lambda _line: None):
            order.append("other")

    thread = threading.Thread(target=other)
    with slots.machine_slot(lambda _line: None):
        order.append("first")
        thread.start()
        time.sleep(0.2)  # the other is refused meanwhile
    with slots.machine_slot(lambda _line: None):
        order.append("second")
    thread.join()
    assert order == ["first", "other", "second"]


def test_nobody_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(slots.time, "sleep", naps.append)
    for _ in range(3):
        with slots.machine_slot(lambda _line: None):
            pass
    assert naps == []
