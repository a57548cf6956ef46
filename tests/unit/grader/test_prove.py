"""A proof names every departure from the expectation, and nothing else, and is repeated only where
nothing was told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from results_kit import F, P, S, U, result
from tiny import tiny_lab

from grader.lab import Expectation
from grader.proving import prove as module
from grader.proving.cheats import Cheat, CheatSpec
from grader.proving.departures import of_submission
from grader.result import RunResult, Verdict


def problems_of(expectation: Expectation, got: RunResult) -> list[str]:
    return [d.text for d in of_submission(expectation, got)]


def test_all_as_expected() -> None:
    got = result(Verdict.FAILED, ("a", P, False), ("b", F, False))
    assert problems_of(Expectation(verdict="failed", fails=["b"]), got) == []


def test_an_unexpected_failure_and_a_missing_one() -> None:
    got = result(Verdict.FAILED, ("a", F, False), ("b", P, False))
    problems = problems_of(Expectation(verdict="failed", fails=["b"]), got)
    assert problems == ["a failed, expected passed (said)", "b passed, expected failed"]


def test_inconclusive_is_no_proof() -> None:
    got = result(Verdict.INCONCLUSIVE, ("a", U, False))
    assert len(problems_of(Expectation(verdict="failed", fails=["a"]), got)) == 2


def test_skipped_is_accepted_behind_a_failed_gate_only() -> None:
    behind = result(Verdict.FAILED, ("gate", F, True), ("b", S, False))
    assert problems_of(Expectation(verdict="failed", fails=["gate"]), behind) == []
    before = result(Verdict.FAILED, ("b", S, False), ("gate", F, True))
    assert problems_of(Expectation(verdict="failed", fails=["gate"]), before) == [
        "b skipped, expected passed (said)"
    ]


def test_a_criterion_expected_to_fail_may_not_be_skipped() -> None:
    got = result(Verdict.FAILED, ("gate", F, True), ("b", S, False))
    assert len(problems_of(Expectation(verdict="failed", fails=["gate", "b"]), got)) == 1


FAILS = result(Verdict.FAILED, ("contract", P, True), ("reverse", F, False))
PASSES = result(Verdict.PASSED, ("contract", P, True), ("reverse", P, False))
OPEN = result(Verdict.INCONCLUSIVE, ("contract", P, True), ("reverse", U, False))
OPEN_BUT_WRONG = result(Verdict.INCONCLUSIVE, ("contract", F, False), ("reverse", U, False))
OPEN_BUT_PASSES = result(Verdict.PASSED, ("contract", P, True), ("reverse", U, False))
CHEAT = Cheat("forger", CheatSpec(because="forges", over="wrong"), {})


def prove(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *results: RunResult
) -> tuple[module.Proof, int]:
    """(the proof when gradings end so, how many there were)"""
    seeds: list[str] = []

    def run_to_end(job: Any, *_: Any, **__: Any) -> RunResult:
        seeds.append(job.seed)
        return results[len(seeds) - 1].model_copy(update={"seed": job.seed})

    monkeypatch.setattr(module, "run_to_end", run_to_end)
    more: Any = {"new_seed": lambda: f"seed {len(seeds)}", "on_event": lambda _: None}
    lab, sandbox = tiny_lab(folder), None
    if name == "cheat":
        proof = module.prove_cheat(lab, CHEAT, sandbox, **more)  # type: ignore[arg-type]
    else:
        proof = module.prove(lab, name, sandbox, **more)  # type: ignore[arg-type]
    assert seeds == [f"seed {n}" for n in range(len(seeds))], "each with a seed of its own"
    return proof, len(seeds)


@pytest.mark.parametrize("name", ["starter", "wrong_upper", "cheat"])
def test_what_was_left_open_is_graded_once_more(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, gradings = prove(tmp_path, monkeypatch, name, OPEN, FAILS)
    assert (proof.holds, gradings) == (True, 2)
    assert proof.first is not None
    assert proof.summary() == "holds (graded again: reverse was inconclusive with seed seed 0)"
    assert proof.as_json()["first"]["verdict"] == "inconclusive"


@pytest.mark.parametrize("name", ["starter", "wrong_upper", "cheat"])
def test_what_stays_open_is_no_proof(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, gradings = prove(tmp_path, monkeypatch, name, OPEN, OPEN)
    assert (proof.holds, proof.undecided, gradings) == (False, True, 2)
    assert proof.summary().startswith("does not hold: ")


@pytest.mark.parametrize("name", ["starter", "wrong_upper", "cheat"])
def test_a_wrong_verdict_after_an_open_one_is_wrong(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, gradings = prove(tmp_path, monkeypatch, name, OPEN, PASSES)
    assert (proof.holds, proof.undecided, gradings) == (False, False, 2)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("starter", PASSES),
        ("starter", OPEN_BUT_PASSES),
        ("reference", FAILS),
        ("wrong_upper", PASSES),
        ("wrong_upper", OPEN_BUT_WRONG),
        ("wrong_upper", OPEN_BUT_PASSES),
        ("wrong_upper", result(Verdict.ERRORED)),
        ("cheat", PASSES),
        ("cheat", OPEN_BUT_PASSES),
    ],
)
def test_a_wrong_verdict_is_never_graded_again(
    name: str, wrong: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, gradings = prove(tmp_path, monkeypatch, name, wrong)
    assert (proof.holds, gradings, proof.first) == (False, 1, None)


def test_what_holds_is_graded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof, gradings = prove(tmp_path, monkeypatch, "reference", PASSES)
    assert (proof.holds, proof.undecided, gradings, proof.summary()) == (True, False, 1, "holds")
