"""The engine against a scripted sandbox: every way in which a run can end, and nothing left
afterwards.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tiny import reference, tiny_lab

from grader.checks.plots import seconds_histogram
from grader.engines.fake import FakeSandbox, Script
from grader.errors import BuildFailed, EngineUnavailable, LearnerError, SandboxError
from grader.events import EVENT, Event, EvidenceCollected, PhaseFinished, RunFinished
from grader.job import GradingJob
from grader.result import CheckResult, Outcome, RunResult, Verdict
from grader.runs.engine import run, run_to_end
from grader.stats.histogram import Histogram
from grader.wire.control import State, request
from grader.wire.probe import (
    CheckBegun,
    CheckEnded,
    Control,
    Done,
    Fault,
    Listening,
    NotReadyNow,
    ReadyNow,
)

P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


def ended(criterion: str, outcome: Outcome, weight: float, *, gate: bool = False) -> str:
    result = CheckResult(
        criterion=criterion,
        check="x",
        title=criterion,
        gate=gate,
        outcome=outcome,
        points=weight if outcome is P else 0,
        max_points=weight,
        message="said",
    )
    return CheckEnded(result=result).model_dump_json()


def probe(after_start: Iterable[str], on_reply: Iterable[str] = ()) -> Script:
    """A probe that says these lines once it is started, and those when a control request was
    answered.
    """

    def answers(line: str) -> list[str]:
        kind = json.loads(line)["type"]
        if kind == "await":
            return [Listening().model_dump_json()]
        return list(after_start) if kind == "start" else list(on_reply)

    return Script(answers=answers)


READY = ReadyNow(seconds=1.5).model_dump_json()
DONE = Done().model_dump_json()
GOOD = [
    READY,
    CheckBegun(criterion="contract").model_dump_json(),
    ended("contract", P, 40, gate=True),
    ended("reverse", P, 60),
    DONE,
]


@pytest.fixture
def job(tmp_path: Path) -> GradingJob:
    lab = tiny_lab(tmp_path)
    return GradingJob(lab, reference(lab), "seed", run_id="run-1")


def grade(job: GradingJob, sandbox: FakeSandbox) -> tuple[RunResult, list[Event]]:
    events: list[Event] = []
    result = run_to_end(job, sandbox, installation="here", on_event=events.append)
    assert isinstance(events[-1], RunFinished)
    assert all(EVENT.validate_json(EVENT.dump_json(event)) == event for event in events)
    assert all(pod.destroyed for pod in sandbox.pods)
    assert sandbox.images == {}
    return result, events


def test_a_passing_run(job: GradingJob) -> None:
    result, events = grade(job, FakeSandbox({"probe": probe(GOOD)}))
    assert (result.verdict, result.score, result.seed) == (Verdict.PASSED, 100, "seed")
    phases = [event.phase for event in events if isinstance(event, PhaseFinished)]
    assert phases == ["build", "deploy", "ready", "grade", "teardown"]


def test_histograms_of_all_samples_are_evidence_and_no_part_of_the_result(job: GradingJob) -> None:
    measured = CheckEnded.model_validate_json(ended("reverse", P, 60)).result
    series = seconds_histogram("Latency", [0.1, 0.2], summary="said")
    line = CheckEnded(result=measured.model_copy(update={"series": [series]})).model_dump_json()
    result, events = grade(
        job, FakeSandbox({"probe": probe([READY, ended("contract", P, 40, gate=True), line, DONE])})
    )
    assert result.verdict is Verdict.PASSED
    assert result.criteria[1].series[0].app == [0.1, 0.2]
    assert result.criteria[1].series[0].whole == {}
    evidence = {e.name: e for e in events if isinstance(e, EvidenceCollected)}
    assert evidence["histograms.json"].visibility == "reviewer"
    found = json.loads(evidence["histograms.json"].content)
    assert len(Histogram.read(found[0]["sides"]["app"])) == 2


def test_a_failed_gate_caps_the_score(job: GradingJob) -> None:
    lines = [READY, ended("contract", F, 40, gate=True), ended("reverse", S, 60), DONE]
    result, _ = grade(job, FakeSandbox({"probe": probe(lines)}))
    assert (result.verdict, result.score) == (Verdict.FAILED, 0)


def test_a_build_that_fails_is_the_learners(job: GradingJob) -> None:
    sandbox = FakeSandbox()
    sandbox.build_error = BuildFailed("step 2 failed", "mend it")
    result, events = grade(job, sandbox)
    assert (result.verdict, result.reason, result.advice) == (
        Verdict.NOT_GRADABLE,
        "step 2 failed",
        "mend it",
    )
    assert sandbox.pods == []
    assert PhaseFinished in {type(e) for e in events}
    assert any(isinstance(e, PhaseFinished) and e.phase == "build" and not e.ok for e in events)


def test_a_service_that_never_comes_up_is_the_learners(job: GradingJob) -> None:
    line = NotReadyNow(reason="nothing listened", advice="listen").model_dump_json()
    result, _ = grade(job, FakeSandbox({"probe": probe([line, DONE])}))
    assert (result.verdict, result.reason) == (Verdict.NOT_GRADABLE, "nothing listened")


def test_an_image_that_cannot_start_is_the_learners(job: GradingJob) -> None:
    sandbox = FakeSandbox(
        {"probe": probe(GOOD), "app": Script(start_error=LearnerError("no program", "check CMD"))}
    )
    result, _ = grade(job, sandbox)
    assert (result.verdict, result.advice) == (Verdict.NOT_GRADABLE, "check CMD")


@pytest.mark.parametrize(
    "lines",
    [[READY, Fault(message="a check raised").model_dump_json()], [READY, "garbage"]],
    ids=["fault", "garbage"],
)
def test_a_probe_that_fails_is_our_fault(lines: list[str], job: GradingJob) -> None:
    result, _ = grade(job, FakeSandbox({"probe": probe(lines)}))
    assert result.verdict is Verdict.ERRORED
    assert result.score == 0
    assert result.advice


def test_an_engine_that_goes_away_in_the_middle_is_our_fault(job: GradingJob) -> None:
    sandbox = FakeSandbox({"probe": Script(start_error=SandboxError("the engine said no"))})
    result, _ = grade(job, sandbox)
    assert (result.verdict, result.engine_lost) == (Verdict.ERRORED, False)


def test_an_engine_that_does_not_answer_any_more_is_lost(job: GradingJob) -> None:
    sandbox = FakeSandbox({"probe": Script(start_error=EngineUnavailable("no answer", "start it"))})
    result, _ = grade(job, sandbox)
    assert (result.verdict, result.engine_lost) == (Verdict.ERRORED, True)
    assert "went away during the run" in result.reason


def test_a_build_that_broke_off_with_the_engine_is_not_the_learners(job: GradingJob) -> None:
    sandbox = FakeSandbox()
    sandbox.build_error = BuildFailed("the build ended without a word")
    began = run(job, sandbox, installation="here")
    sandbox.available = False
    result = list(began)[-1].result  # type: ignore[union-attr]
    assert (result.verdict, result.engine_lost) == (Verdict.ERRORED, True)


@pytest.mark.parametrize("contract", [P, F], ids=["passed", "failed"])
def test_whatever_was_measured_in_a_pod_that_fell_is_no_verdict(
    job: GradingJob, contract: Outcome
) -> None:
    """The engine was started anew: the service went with it, and that is not the learner's
    doing.
    """
    lines = [
        READY,
        ended("contract", contract, 40, gate=True),
        ended("reverse", contract, 60),
        DONE,
    ]
    sandbox = FakeSandbox({})

    def answers(line: str) -> list[str]:
        if json.loads(line)["type"] == "await":
            return [Listening().model_dump_json()]
        sandbox.pods[0].whole = False
        return lines

    sandbox.scripts["probe"] = Script(answers=answers)
    result, _ = grade(job, sandbox)
    assert (result.verdict, result.engine_lost, result.score) == (Verdict.ERRORED, True, 0)


def test_without_an_engine_nothing_is_started(job: GradingJob) -> None:
    sandbox = FakeSandbox()
    sandbox.available = False
    with pytest.raises(EngineUnavailable):
        run(job, sandbox, installation="here")


def test_a_cancelled_run_ends_as_cancelled(
    job: GradingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.runs.engine.ASK_EVERY_S", 0)
    sandbox = FakeSandbox({"probe": probe([READY])})
    result, _ = grade(dataclasses.replace(job, cancelled=lambda: bool(sandbox.pods)), sandbox)
    assert result.verdict is Verdict.CANCELLED


def test_closing_early_tears_down(job: GradingJob) -> None:
    sandbox = FakeSandbox({"probe": probe([READY])})
    events = run(job, sandbox, installation="here")
    while not (sandbox.pods and sandbox.pods[0].parties):
        next(events)
    events.close()
    assert sandbox.pods[0].destroyed
    assert sandbox.images == {}


CONTROLS: list[tuple[str, dict[str, object], Callable[[dict[str, object]], bool]]] = [
    ("state", {}, lambda data: data["running"] is True),
    ("stop", {"grace_s": 2}, lambda data: data["exit_code"] == 0),
    ("usage", {}, lambda data: data["cpu_s"] == 0.5),
    ("logs", {"max_bytes": 10}, lambda data: data["text"] == "the log"),
]


@pytest.mark.parametrize(("action", "args", "right"), CONTROLS, ids=[c[0] for c in CONTROLS])
def test_control_is_obeyed(
    action: str,
    args: dict[str, object],
    right: Callable[[dict[str, object]], bool],
    job: GradingJob,
) -> None:
    asked = Control(id=1, request=request(action, "app", args)).model_dump_json()
    sandbox = FakeSandbox(
        {"probe": probe([READY, asked], on_reply=GOOD[1:]), "app": Script(log="the log")}
    )
    result, _ = grade(job, sandbox)
    channel = sandbox.pods[0].parties["probe"].channel
    assert channel is not None
    reply = json.loads(channel.sent[-1])
    assert reply["ok"] is True
    assert right(reply["data"])
    assert result.verdict is Verdict.PASSED


def test_control_of_an_unknown_party_is_refused_and_the_run_goes_on(job: GradingJob) -> None:
    asked = Control(id=1, request=State(party="nobody")).model_dump_json()
    sandbox = FakeSandbox({"probe": probe([READY, asked], on_reply=GOOD[1:])})
    result, _ = grade(job, sandbox)
    channel = sandbox.pods[0].parties["probe"].channel
    assert channel is not None
    assert json.loads(channel.sent[-1])["ok"] is False
    assert result.verdict is Verdict.PASSED
