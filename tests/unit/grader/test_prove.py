"""A proof names every departure from the expectation, and nothing else."""

from __future__ import annotations

from results_kit import F, P, S, U, result

from grader.prove import problems_of
from grader.result import Verdict
from grader.spec import Expectation


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
    assert problems_of(Expectation(verdict="failed", fails=["gate"]), before) == ["b skipped, expected passed (said)"]


def test_a_criterion_expected_to_fail_may_not_be_skipped() -> None:
    got = result(Verdict.FAILED, ("gate", F, True), ("b", S, False))
    assert len(problems_of(Expectation(verdict="failed", fails=["gate", "b"]), got)) == 1
