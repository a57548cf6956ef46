"""Proving a lab: its reference must pass, each wrong submission must fail on exactly what it
breaks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from grader.engines.base import Sandbox
from grader.events import Event
from grader.job import GradingJob, Snapshot, never
from grader.lab import Expectation, LabContent, load_expectation, submission_files, tree_digest
from grader.proving.cheats import PREFIX, Cheat
from grader.proving.departures import Departure, of_cheat, of_starter, of_submission
from grader.result import Outcome, RunResult
from grader.runs.engine import run_to_end

INSTALLATION = "prove"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was expected of one submission, and what it got."""

    lab: str
    submission: str
    expectation: Expectation
    result: RunResult
    departures: list[Departure]
    first: RunResult | None = None
    """An earlier result that left open what was expected, which is why the submission was graded
    once more.
    """

    @property
    def holds(self) -> bool:
        return not self.departures

    @property
    def undecided(self) -> bool:
        """Whether nothing wrong was said, but not all that was expected either."""
        return bool(self.departures) and all(d.undecided for d in self.departures)

    @property
    def problems(self) -> list[str]:
        return [d.text for d in self.departures]

    @property
    def expected(self) -> str:
        return _words(self.expectation.verdict, self.expectation.fails)

    @property
    def got(self) -> str:
        failed = [r.criterion for r in self.result.criteria if r.outcome is Outcome.FAILED]
        return _words(self.result.verdict.value, failed)

    def summary(self) -> str:
        """One line for the terminal."""
        said = "holds" if self.holds else "does not hold: " + "; ".join(self.problems)
        if self.first is None:
            return said
        left_open = [r.criterion for r in self.first.criteria if r.outcome is Outcome.INCONCLUSIVE]
        return (
            f"{said} (graded again: {', '.join(left_open)} was inconclusive with seed "
            f"{self.first.seed})"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "lab": self.lab,
            "submission": self.submission,
            "holds": self.holds,
            "problems": self.problems,
            "expected": self.expectation.model_dump(mode="json"),
            "result": self.result.model_dump(mode="json"),
            "first": self.first and self.first.model_dump(mode="json"),
        }


def _words(verdict: str, fails: list[str]) -> str:
    return f"{verdict} ({', '.join(fails)})" if fails else verdict


def submission_snapshot(lab: LabContent, name: str) -> Snapshot:
    """The starter or a proving submission as a learner would upload it."""
    files = submission_files(lab, name)
    return Snapshot(files, tree_digest(files))


def prove(
    lab: LabContent,
    name: str,
    sandbox: Sandbox,
    *,
    new_seed: Callable[[], str],
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool] = never,
) -> Proof:
    """Grade one submission of the lab and hold the result against its expectation."""
    expectation = load_expectation(lab, name)
    snapshot = submission_snapshot(lab, name)

    def grade(seed: str) -> Proof:
        job = _job(lab, snapshot, name, seed, cancelled)
        result = run_to_end(job, sandbox, installation=INSTALLATION, on_event=on_event)
        found = of_starter(result) if name == "starter" else of_submission(expectation, result)
        return Proof(lab.spec.id, name, expectation, result, found)

    return _told(grade, new_seed(), new_seed)


def prove_cheat(
    lab: LabContent,
    cheat: Cheat,
    sandbox: Sandbox,
    *,
    new_seed: Callable[[], str],
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool] = never,
) -> Proof:
    """Grade one submission of the lab with the cheat in it: it must gain nothing."""
    first_seed = new_seed()
    base = cheat.base(lab, first_seed)
    expectation = cheat.expectation(lab, base)
    snapshot = cheat.over(submission_snapshot(lab, base))

    def grade(seed: str) -> Proof:
        job = _job(lab, snapshot, cheat.name, seed, cancelled)
        result = run_to_end(job, sandbox, installation=INSTALLATION, on_event=on_event)
        return Proof(
            lab.spec.id, f"{PREFIX}{cheat.name}", expectation, result, of_cheat(expectation, result)
        )

    return _told(grade, first_seed, new_seed)


def _told(grade: Callable[[str], Proof], seed: str, new_seed: Callable[[], str]) -> Proof:
    """Grade once more, as a learner may, when the machine was too busy to tell.

    A wrong verdict stands (ADR 18).
    """
    proof = grade(seed)
    return replace(grade(new_seed()), first=proof.result) if proof.undecided else proof


def _job(
    lab: LabContent, snapshot: Snapshot, name: str, seed: str, cancelled: Callable[[], bool]
) -> GradingJob:
    return GradingJob(
        lab, snapshot, seed, run_id=f"prove-{name}-{time.time_ns():x}", cancelled=cancelled
    )
