"""Faults are undone and marked in any case; recovery and shares are read off the load."""

from __future__ import annotations

from typing import Any

import pytest

from grader.faults.inject import Faults
from grader.faults.recovery import recovery_s, share_right, timeline
from grader.load.metrics import Samples
from grader.result import Mark


class Engine:
    """Writes down what was asked for; the clock moves with every request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.time = 0.0

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        self.asked.append((action, party))
        self.time += 1.0
        return {"exit_code": 0, "payload": args}


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def faults(engine: Engine) -> Faults:
    return Faults(engine, lambda: engine.time)  # type: ignore[arg-type]


async def test_a_killed_party_is_started_again_even_when_the_check_fails(
    engine: Engine, faults: Faults
) -> None:
    with pytest.raises(RuntimeError):
        async with faults.killed("app-1"):
            raise RuntimeError("a check failed in itself")
    assert engine.asked == [("signal", "app-1"), ("restart", "app-1")]
    assert faults.marks == [Mark(start_s=0, end_s=2, text="app-1 killed")]


async def test_every_fault_is_undone_in_its_own_way(engine: Engine, faults: Faults) -> None:
    async with faults.paused("db", "the database hangs"):
        pass
    async with faults.stopped("app", 5) as state:
        assert state["exit_code"] == 0
    await faults.restarted("db")
    async with faults.gateway("models", [{"kind": "429"}], "rate limit"):
        pass
    actions = [action for action, _ in engine.asked]
    assert actions == ["pause", "unpause", "stop", "restart", "restart", "command", "command"]
    assert [mark.text for mark in faults.marks] == [
        "the database hangs",
        "app stopped",
        "db restarted",
        "rate limit",
    ]


async def test_scarce_disk_memory_and_time_are_given_back(engine: Engine, faults: Faults) -> None:
    async with faults.full_disk("app"), faults.memory_pressure("app", 64, 256) as reply:
        assert reply["payload"] == {"memory_mb": 64}
    async with faults.clock("clock", "a day later", offset_s=86_400):
        pass
    wanted = ["fill_data", "limit_memory", "limit_memory", "free_data", "command", "command"]
    assert [action for action, _ in engine.asked] == wanted
    assert [mark.text for mark in faults.marks] == [
        "app has 64 MB left",
        "app has a full disk",
        "a day later",
    ]


def samples(errors: list[bool], rate: float = 10.0) -> Samples:
    out = Samples()
    for number, wrong in enumerate(errors):
        out.side.append(0)
        out.index.append(number)
        out.due.append(number / rate)
        out.lag_s.append(0.0)
        for column in (out.latency_s, out.service_s, out.ttft_s):
            column.append(float("inf") if wrong else 0.01)
        out.status.append(500 if wrong else 200)
        out.error.append("status 500" if wrong else "")
    return out


def test_the_share_counts_requests_that_were_due_in_the_fault() -> None:
    seen = samples([False] * 10 + [True, False] * 5 + [False] * 10)
    assert share_right(seen, 1.0, 2.0) == (0.5, 10)
    assert share_right(seen, 0.0, 1.0) == (1.0, 10)
    assert share_right(seen, 50.0, 60.0) == (1.0, 0)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ([False] * 20, 0.0),
        ([True] * 5 + [False] * 20, 0.5),
        ([False] * 5 + [True] + [False] * 20, 0.6),
        ([False] * 9 + [True] * 20, None),
        ([], None),
    ],
)
def test_recovery_needs_right_answers_in_a_row(after: list[bool], seconds: float | None) -> None:
    found = recovery_s(samples([True] * 10 + after), 1.0)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_the_timeline_marks_the_faults_and_says_them_in_words() -> None:
    marks = [Mark(start_s=1.0, end_s=2.0, text="db restarted")]
    right, errors, latency = timeline(
        samples([False] * 10 + [True] * 10 + [False] * 10), marks, bin_s=1.0
    )
    assert right.app == [(0.0, 10.0), (1.0, 0.0), (2.0, 10.0)]
    assert errors.app == [(0.0, 0.0), (1.0, 10.0), (2.0, 0.0)]
    assert [at for at, _ in latency.app] == [0.0, 2.0]
    assert all(series.marks == marks for series in (right, errors, latency))
    assert "db restarted from 1.0 to 2.0 s" in right.summary
    assert "20 of 30" in right.summary
