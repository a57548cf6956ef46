"""Whose fault it is that a check came to no end: one real probe process a run, and the run's own
verdict.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from probekit import graded, http, lab_of, outcomes, service

from grader.checks.outcome import counted, every, failed
from grader.engines.fake import Script
from grader.events import Event, EvidenceCollected
from grader.probe import judging
from grader.result import Measurement, Outcome, RunResult, Verdict

CHECKS = """
import asyncio
import json
from grader.checks.base import Check, PartyFailed
from grader.checks.outcome import counted, every, failed, passed
from grader.result import Measured, Rule, Series

class Base(Check):
    id = "base"

class Right(Base):
    async def run(self, ctx):
        return passed("right", counted(1, 1, "requests"), every("requests"))

class Breaks(Base):
    async def run(self, ctx):
        raise KeyError("\\ud800")

class Gave(Base):
    async def run(self, ctx):
        raise PartyFailed("the baseline answered 503")

class NoParty(Base):
    async def run(self, ctx):
        await ctx.control("command", "nobody", payload={})

class Spins(Base):
    async def run(self, ctx):
        while True:
            pass

class Odd(Base):
    async def run(self, ctx):
        deep = []
        for _ in range(5000):
            deep = [deep]
        data = {"\\ud800": "\\udfff", "nul": "\\x00", "deep": deep, "big": 9 ** 9000, "inf": float("inf")}
        bars = Series(kind="histogram", title="t", unit="ms", app=[1.0, float("nan"), float("inf")])
        lost = Measured(value=float("nan"), high=float("inf"), text="\\udc00")
        shown = await ctx.app.request("POST", "/x", json={"a": "\\ud800"}, headers={"X-Odd": "\\u00ff"})
        said = shown.json()["text"]
        return failed("it said " + said, lost, every("requests"), "mend " + said, shown, data=data, series=[bars])

class Long(Base):
    async def run(self, ctx):
        bars = [Series(kind="histogram", title="t", unit="ms", app=[i / 7 for i in range(90_000)])]
        return passed("long", counted(1, 1, "requests"), every("requests"), series=bars)
"""


def run(
    folder: Path,
    *names: str,
    seen: list[Event] | None = None,
    gates: str = "",
    deadline_s: float = 0,
) -> RunResult:
    criteria: list[dict[str, Any]] = [
        {
            "id": name.lower() + "x" * names[:i].count(name),
            "gate": name == gates,
            "checks": [{"check": f"lab:kinds.{name}"}],
        }
        for i, name in enumerate(names)
    ]
    with service(
        lambda _path, _body: http(b'{"text": "\\ud800 \\udfff"}', "200 OK", "X-Odd: \xff\x80")
    ) as port:
        lab = lab_of(folder, port, criteria, {"checks/kinds.py": CHECKS})
        return graded(lab, seen=seen, deadline_s=deadline_s)


def test_a_check_that_fails_in_itself_is_one_criterion_unjudged_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    seen: list[Event] = []
    result = run(tmp_path, "Breaks", "Right", seen=seen)
    found = outcomes(result)
    assert (found["breaks"].outcome, found["right"].outcome) == (
        Outcome.INCONCLUSIVE,
        Outcome.PASSED,
    )
    assert found["breaks"].our_fault
    assert "KeyError" in found["breaks"].message
    [kept] = [
        event
        for event in seen
        if isinstance(event, EvidenceCollected) and event.name == "fault-breaks.log"
    ]
    assert (kept.visibility, "Traceback" in kept.content) == ("private", True)
    # it could have made the difference, so somebody of ours has to know
    assert result.verdict is Verdict.ERRORED
    assert "failed in itself" in result.reason


def test_a_fault_of_ours_does_not_save_a_service_that_failed_a_gate(tmp_path: Path) -> None:
    assert run(tmp_path, "Odd", "Breaks", gates="Odd").verdict is Verdict.FAILED


def test_a_fault_of_ours_that_changes_nothing_is_no_verdict(tmp_path: Path) -> None:
    result = run(tmp_path, "Right", "Right", "Right", "Breaks")
    assert (result.verdict, result.score) == (Verdict.PASSED, 75)


@pytest.mark.parametrize("name", ["Gave", "NoParty"])
def test_a_baseline_or_a_sidecar_that_gives_way_is_inconclusive(name: str, tmp_path: Path) -> None:
    result = run(tmp_path, name, "Right")
    found = outcomes(result)
    assert (found[name.lower()].outcome, found["right"].outcome) == (
        Outcome.INCONCLUSIVE,
        Outcome.PASSED,
    )
    assert not found[name.lower()].our_fault
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_step_that_never_ends_is_ended_and_reported(tmp_path: Path) -> None:
    result = run(tmp_path, "Spins", deadline_s=1)
    assert "StepTooLong" in result.criteria[0].message
    assert result.verdict is Verdict.ERRORED


def test_odd_texts_numbers_and_nesting_reach_the_result(tmp_path: Path) -> None:
    result = run(tmp_path, "Odd", "Long")
    odd = outcomes(result)["odd"]
    assert odd.outcome is Outcome.FAILED, odd.message
    assert odd.message == r"it said \ud800 \udfff"
    assert odd.measured is not None
    assert (odd.measured.value, odd.measured.high, odd.measured.text) == (None, None, r"\udc00")
    assert odd.data[r"\ud800"] == r"\udfff"
    assert (odd.data["inf"], odd.data["big"]) == ("inf", "an integer of 28530 bits")
    assert odd.series[0].app == [1.0]
    long = outcomes(result)["long"]
    assert (long.outcome, long.series, "left_out" in long.data) == (Outcome.PASSED, [], True)
    assert result.model_dump_json().encode()


def judged(monkeypatch: pytest.MonkeyPatch, measurement: Measurement, *, crowded: bool) -> Outcome:
    """What becomes of a failure on a quiet machine and on one without a free processor."""
    asked: list[str] = []

    async def control(action: str, _party: str) -> dict[str, Any]:
        asked.append(action)
        return {}

    async def measure(_ctx: Any) -> Measurement:
        return measurement

    monkeypatch.setattr(judging, "is_crowded", lambda: crowded)
    monkeypatch.setattr(judging.Waiting, "was_crowded", lambda _self: False)
    ctx: Any = SimpleNamespace(control=control)
    check: Any = SimpleNamespace(run=measure)
    found = asyncio.run(judging.measure(check, ctx, judging.Clock(float("inf"), 1.0), print))
    assert asked in ([], ["weigh_alike", "weigh_as_before"])
    return found.outcome


FAILED = failed("lost", counted(0, 1, "requests"), every("requests"), "mend it")


@pytest.mark.parametrize("why", ["availability", "unanswered"])
def test_an_availability_criterion_on_a_starved_machine_is_inconclusive(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = FAILED.model_copy(update={why: True})
    assert judged(monkeypatch, lost, crowded=True) is Outcome.INCONCLUSIVE
    assert judged(monkeypatch, lost, crowded=False) is Outcome.FAILED


def test_a_wrong_answer_is_wrong_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, FAILED, crowded=True) is Outcome.FAILED


def test_a_service_that_exits_at_once_is_told_its_code_and_its_last_lines(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lab = lab_of(
        tmp_path,
        port,
        [{"id": "right", "checks": [{"check": "lab:kinds.Right"}]}],
        {"checks/kinds.py": CHECKS},
    )
    result = graded(
        lab,
        {
            "localhost": Script(exits_with=3),
            "app": Script(exits_with=3, log="one\ntwo\nNo module x\n"),
        },
    )
    assert result.verdict is Verdict.NOT_GRADABLE
    assert (
        result.reason
        == "Your service exited with code 3 before it was ready. It last said: one / two / No module x"
    )
