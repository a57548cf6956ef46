"""Slots are held by processes, counted by cores, and waited for."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from grader import slots
from grader.errors import RunCancelled


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path))
    monkeypatch.delenv("SEATRIAL_SLOTS", raising=False)


@pytest.mark.parametrize(("cores", "runs"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_two_cores_a_run(cores: int, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots.os, "cpu_count", lambda: cores)
    assert slots.slot_count() == runs


def try_slot(who: str = "terminal") -> AbstractContextManager[bool]:
    return slots.slot(slots.new_ticket(who), give_up=lambda: True)


def test_no_more_slots_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "2")
    with try_slot() as one, try_slot("site") as two, try_slot() as three:
        assert (one, two, three) == (True, True, False)
        assert [holder.who for holder in slots.holders()] == ["terminal", "site"]
    assert slots.holders() == []
    assert slots.waiting() == []
    with try_slot() as again:
        assert again


def test_a_folder_that_is_not_there_yet_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path / "var" / "slots"))
    with try_slot() as one:
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


def start(monkeypatch: pytest.MonkeyPatch, name: str, **ticket: Any) -> subprocess.Popen[str]:
    """A process that waits in line, then writes its name and holds the slot for a moment."""
    code = (
        "import sys, time; from grader import slots\n"
        f"with slots.slot(slots.new_ticket(**{ticket!r}), lambda line: print('WAITS', line, "
        "flush=True)) as free:\n"
        f"    print({name!r}, time.time(), flush=True); time.sleep(0.3)"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def in_line(count: int) -> None:
    wait_for(lambda: len(slots.waiting()) >= count)


def test_two_terminals_and_the_site_start_in_order_of_arrival(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A terminal that was 300 s old overtook others of 660 s and a run of the site, again and
    again.
    """
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    now = time.time()
    with slots.machine_slot(lambda _line: None):
        waiting = []
        # The site's worker looks last, for a run that was handed in between the two terminals.
        for number, (name, ticket) in enumerate(
            [
                ("terminal 1", {"arrived": now - 30}),
                ("terminal 2", {"arrived": now - 10}),
                ("site", {"who": "site", "arrived": now - 20, "key": "run-7"}),
                ("late", {}),
            ],
            1,
        ):
            waiting.append((name, start(monkeypatch, name, **ticket)))
            in_line(number)
        assert [ticket.who for ticket in slots.waiting()] == [
            "terminal",
            "site",
            "terminal",
            "terminal",
        ]
    said = {}
    for name, process in waiting:
        out, _ = process.communicate(timeout=30)
        said[name] = float(out.split(f"{name} ")[-1])
    assert sorted(said, key=lambda name: said[name]) == ["terminal 1", "site", "terminal 2", "late"]


def test_whoever_dies_in_line_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    with slots.machine_slot(lambda _line: None):
        first = start(monkeypatch, "first", arrived=1.0)
        in_line(1)
        first.kill()
        first.wait()
    with try_slot() as free:
        assert free
    assert slots.waiting() == []


def test_a_ticket_may_be_left_in_line_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two runs of the site its next one keeps its place; a worker that does not come back
    loses it.
    """
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    slots.keep(slots.new_ticket("site", time.time() - 60, "run-8"))
    with try_slot() as free:
        assert not free
    monkeypatch.setattr(slots, "KEPT_S", 0.0)
    with try_slot() as free:
        assert free


def test_a_kept_ticket_is_taken_up_again() -> None:
    ticket = slots.new_ticket("site", time.time() - 60, "run-9")
    slots.keep(ticket)
    with slots.slot(ticket, give_up=lambda: True) as free:
        assert free
    assert slots.waiting() == []


def test_a_wait_says_how_many_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    said: list[str] = []
    slots.keep(slots.new_ticket("site", 1.0, "run-1"))
    calls = iter([False, True])
    with slots.slot(slots.new_ticket(), said.append, give_up=lambda: next(calls)) as free:
        assert not free
    assert said == ["waiting: another run is measured on this machine, and 1 came before this one"]


def test_a_run_that_is_cancelled_leaves_the_line() -> None:
    slots.keep(slots.new_ticket("site", 1.0, "run-1"))
    with pytest.raises(RunCancelled), slots.machine_slot(lambda _line: None, lambda: True):
        pass
    assert [ticket.key for ticket in slots.waiting()] == ["run-1"]


def test_a_stopped_process_is_passed_and_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-Z in a terminal held up everybody who came later."""
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")
    monkeypatch.setattr(slots, "ASLEEP_S", 2.0)
    with slots.machine_slot(lambda _line: None):
        first = start(monkeypatch, "first", arrived=1.0)
        in_line(1)
        first.send_signal(signal.SIGSTOP)
    try:
        with slots.machine_slot(lambda _line: None):
            assert slots.waiting()[0].arrived == 1_000_000_000
    finally:
        first.send_signal(signal.SIGCONT)
    out, _ = first.communicate(timeout=20)
    assert "first" in out


def test_a_clock_that_is_set_back_lets_nobody_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    first = slots.new_ticket()
    slots.keep(first)
    real = time.time_ns
    monkeypatch.setattr(slots.time, "time_ns", lambda: real() - 3600 * 10**9)
    assert slots.new_ticket().arrived > first.arrived
    assert slots.new_ticket("site", time.time() + 3600).arrived < time.time_ns() + 3601 * 10**9
