"""The rubric's order, its gates, its time, and the repetition of what stayed undecided."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks.base import Check
from grader.checks.outcome import counted, every, failed, passed, undecided
from grader.lab import CheckUse, Criterion, Limits, Rubric
from grader.probe import judging, machine, runner
from grader.result import CheckResult, Outcome
from grader.wire.probe import CheckEnded

ONE = (counted(1, 1, "requests"), every("requests"))


class Scripted(Check):
    """Gives the outcomes of a list, one a measurement; each takes ``seconds``."""

    id = "scripted"

    def __init__(
        self, outcomes: list[Outcome], seconds: float = 0.0, *, unanswered: bool = False
    ) -> None:
        self.outcomes, self.seconds, self.unanswered, self.ran = outcomes, seconds, unanswered, 0

    async def run(self, ctx: Any) -> Any:
        await asyncio.sleep(self.seconds)
        outcome = self.outcomes[min(self.ran, len(self.outcomes) - 1)]
        self.ran += 1
        if outcome is Outcome.INCONCLUSIVE:
            return undecided("noise", *ONE)
        if outcome is Outcome.FAILED:
            return failed("wrong", *ONE, advice="mend it", unanswered=self.unanswered)
        return passed("right", *ONE)


def grade(
    monkeypatch: pytest.MonkeyPatch, checks: dict[str, Scripted], deadline_s: float = 30.0
) -> list[CheckResult]:
    """Run a rubric with one criterion per check; names that begin with 'gate' are gates."""
    monkeypatch.setattr(runner, "make_check", lambda use: checks[use.check])
    criteria = [
        Criterion(
            id=name,
            title=name,
            rule="r",
            weight=100 / len(checks),
            gate=name.startswith("gate"),
            checks=[use],
        )
        for name, use in ((name, CheckUse(check=name)) for name in checks)
    ]
    spec = SimpleNamespace(
        rubric=Rubric(criteria=criteria), limits=Limits(), service=SimpleNamespace(name="app")
    )

    async def control(action: str, party: str, **_: Any) -> dict[str, Any]:
        return {"running": True, "text": ""}

    ctx: Any = SimpleNamespace(
        spec=spec, control=control, replicas=("app",), note=lambda _text: None
    )
    sent: list[Any] = []
    start: Any = SimpleNamespace(deadline_s=deadline_s, only=[])
    asyncio.run(runner.grade(start, ctx, SimpleNamespace(send=sent.append)))  # type: ignore[arg-type]
    return [message.result for message in sent if isinstance(message, CheckEnded)]


def crowded(monkeypatch: pytest.MonkeyPatch, found: bool) -> None:
    """Say what the machine is like, however busy the one that runs the tests is."""
    monkeypatch.setattr(judging, "is_crowded", lambda: found)
    monkeypatch.setattr(judging.Waiting, "was_crowded", lambda _self: False)


def test_the_undecided_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Scripted([Outcome.INCONCLUSIVE, Outcome.PASSED])
    [result] = grade(monkeypatch, {"ratio": check})
    assert (result.outcome, check.ran, result.data["measured_again"]) == (Outcome.PASSED, 2, 1)


def test_a_repetition_may_fail_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    [result] = grade(monkeypatch, {"ratio": Scripted([Outcome.INCONCLUSIVE, Outcome.FAILED])})
    assert result.outcome is Outcome.FAILED


def test_what_stays_undecided_says_so_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Scripted([Outcome.INCONCLUSIVE])
    [result] = grade(monkeypatch, {"ratio": check})
    assert (result.outcome, check.ran) == (Outcome.INCONCLUSIVE, 1 + runner.REPEATS)


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FAILED])
def test_what_is_decided_is_measured_once(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    check = Scripted([outcome])
    grade(monkeypatch, {"ratio": check})
    assert check.ran == 1


@pytest.mark.parametrize("second", [Outcome.PASSED, Outcome.FAILED])
def test_a_request_without_an_answer_is_believed_the_second_time(
    monkeypatch: pytest.MonkeyPatch, second: Outcome
) -> None:
    crowded(monkeypatch, False)
    check = Scripted([Outcome.FAILED, second], unanswered=True)
    [result] = grade(monkeypatch, {"ratio": check})
    assert (result.outcome, check.ran, result.data["measured_again"]) == (second, 2, 1)


def test_a_request_without_an_answer_is_doubted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded(monkeypatch, False)
    check = Scripted([Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.FAILED], unanswered=True)
    [result] = grade(monkeypatch, {"ratio": check})
    assert (result.outcome, check.ran) == (Outcome.FAILED, 3)


def test_no_repetition_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Scripted([Outcome.INCONCLUSIVE], seconds=0.4)
    began = time.perf_counter()
    [result] = grade(monkeypatch, {"ratio": check}, deadline_s=0.8)
    assert (result.outcome, check.ran) == (Outcome.INCONCLUSIVE, 1)
    assert time.perf_counter() - began < 30


def test_a_repetition_that_is_cut_short_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slower(Scripted):
        async def run(self, ctx: Any) -> Any:
            self.seconds = 60.0 * self.ran
            return await super().run(ctx)

    [result] = grade(monkeypatch, {"ratio": Slower([Outcome.INCONCLUSIVE])}, deadline_s=0.3)
    assert result.outcome is Outcome.INCONCLUSIVE


def test_behind_a_failed_gate_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Scripted([Outcome.PASSED])
    results = grade(monkeypatch, {"gate-one": Scripted([Outcome.FAILED]), "late": late})
    assert [r.outcome for r in results] == [Outcome.FAILED, Outcome.SKIPPED]
    assert late.ran == 0


def test_an_undecided_gate_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    results = grade(
        monkeypatch,
        {"gate-one": Scripted([Outcome.INCONCLUSIVE]), "late": Scripted([Outcome.PASSED])},
    )
    assert [r.outcome for r in results] == [Outcome.INCONCLUSIVE, Outcome.PASSED]


def test_on_a_crowded_machine_the_time_limit_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded(monkeypatch, True)
    [result] = grade(monkeypatch, {"slow": Scripted([Outcome.PASSED], seconds=60)}, deadline_s=0.2)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "too busy" in result.message


def test_crowding_is_the_share_of_the_processor_that_others_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(cpu=0.0)

    def thread_time() -> float:
        clock.cpu += 0.001
        return clock.cpu

    monkeypatch.setattr(machine.time, "thread_time", thread_time)
    monkeypatch.setattr(machine.time, "sleep", lambda _s: None)
    for slower, crowded in ((1.0, False), (1.6, False), (2.5, True)):
        monkeypatch.setattr(machine.time, "perf_counter", lambda slower=slower: clock.cpu * slower)
        assert machine.is_crowded() is crowded


def test_a_criterion_that_gets_no_time_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded(monkeypatch, False)
    slow, late = Scripted([Outcome.PASSED], seconds=0.5), Scripted([Outcome.PASSED], seconds=60)
    results = grade(monkeypatch, {"slow": slow, "late": late}, deadline_s=0.6)
    assert [r.outcome for r in results] == [Outcome.PASSED, Outcome.INCONCLUSIVE]
    assert "had left only 0 s" in results[1].message
    assert "slow without failing" in results[1].advice


def test_a_repetition_leaves_time_for_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, late = Scripted([Outcome.INCONCLUSIVE], seconds=0.3), Scripted([Outcome.PASSED])
    results = grade(monkeypatch, {"noisy": noisy, "late": late}, deadline_s=0.9)
    assert noisy.ran == 1  # alone it would have had the 0.45 s that a repetition needs
    assert results[1].outcome is Outcome.PASSED


def test_a_check_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded(monkeypatch, False)
    [result] = grade(monkeypatch, {"slow": Scripted([Outcome.PASSED], seconds=60)}, deadline_s=0.2)
    assert (result.outcome, result.points) == (Outcome.FAILED, 0)
    assert "time limit" in result.message


def test_a_criterion_of_several_checks_tells_every_figure() -> None:
    many = passed("All answered.", counted(20, 20, "requests"), every("requests"), data={"a": 1})
    one = passed(
        "Rules are taken.", counted(1, 1, "rules files"), every("rules files"), data={"b": 2}
    )
    found = runner._together([many, many, one])
    assert found.measured.text == "20 of 20 requests; 1 of 1 rules files"
    assert found.rule.text == "all requests; all rules files"
    assert found.data == {"a": 1, "b": 2}
    assert runner._together([many]) is many
