"""Proving a lab: its reference must pass, each wrong submission must fail on exactly what it breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grader.cheats import PREFIX, Cheat, gained
from grader.engine import run_to_end
from grader.events import Event
from grader.job import GradingJob, Snapshot, never
from grader.result import Outcome, RunResult, Verdict
from grader.sandbox.base import Sandbox
from grader.spec import Expectation, LabContent, load_expectation, submission_files, tree_digest

INSTALLATION = "prove"
STARTER = Expectation(verdict="failed", because="the starter builds, runs, and does not do the work yet")


@dataclass(frozen=True, slots=True)
class Proof:
    """What was expected of one submission, and what it got."""

    lab: str
    submission: str
    expectation: Expectation
    result: RunResult
    problems: list[str]

    @property
    def holds(self) -> bool:
        return not self.problems

    @property
    def expected(self) -> str:
        return _words(self.expectation.verdict, self.expectation.fails)

    @property
    def got(self) -> str:
        failed = [r.criterion for r in self.result.criteria if r.outcome is Outcome.FAILED]
        return _words(self.result.verdict.value, failed)

    def summary(self) -> str:
        """One line for the terminal."""
        return "holds" if self.holds else "does not hold: " + "; ".join(self.problems)

    def as_json(self) -> dict[str, Any]:
        return {
            "lab": self.lab,
            "submission": self.submission,
            "holds": self.holds,
            "problems": self.problems,
            "expected": self.expectation.model_dump(mode="json"),
            "result": self.result.model_dump(mode="json"),
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
    seed: str,
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool] = never,
) -> Proof:
    """Grade one submission of the lab and hold the result against its expectation."""
    expectation = STARTER if name == "starter" else load_expectation(lab, name)
    job = _job(lab, submission_snapshot(lab, name), name, seed, cancelled)
    result = run_to_end(job, sandbox, installation=INSTALLATION, on_event=on_event)
    problems = _starter_problems(result) if name == "starter" else problems_of(expectation, result)
    return Proof(lab.spec.id, name, expectation, result, problems)


def prove_cheat(
    lab: LabContent,
    cheat: Cheat,
    sandbox: Sandbox,
    *,
    seed: str,
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool] = never,
) -> Proof:
    """Grade one submission of the lab with the cheat in it: it must gain nothing."""
    base = cheat.base(lab, seed)
    expectation = cheat.expectation(lab, base)
    job = _job(lab, cheat.over(submission_snapshot(lab, base)), cheat.name, seed, cancelled)
    result = run_to_end(job, sandbox, installation=INSTALLATION, on_event=on_event)
    return Proof(lab.spec.id, f"{PREFIX}{cheat.name}", expectation, result, gained(expectation, result))


def _job(lab: LabContent, snapshot: Snapshot, name: str, seed: str, cancelled: Callable[[], bool]) -> GradingJob:
    return GradingJob(lab, snapshot, seed, run_id=f"prove-{name}-{time.time_ns():x}", cancelled=cancelled)


def _starter_problems(result: RunResult) -> list[str]:
    if result.verdict is Verdict.FAILED:
        return []
    return [f"a starter must run and fail, but the verdict is {result.verdict.value} {result.reason}".strip()]


def problems_of(expectation: Expectation, result: RunResult) -> list[str]:
    """Every way in which the result departs from the expectation, criterion by criterion."""
    problems = []
    if result.verdict.value != expectation.verdict:
        problems.append(f"verdict {result.verdict.value}, expected {expectation.verdict} {result.reason}".strip())
    behind_gate = False
    for r in result.criteria:
        wanted = Outcome.FAILED if r.criterion in expectation.fails else Outcome.PASSED
        if behind_gate and r.outcome is Outcome.SKIPPED and wanted is Outcome.PASSED:
            continue
        if r.outcome is not wanted:
            said = f" ({r.message})" if r.outcome is not Outcome.PASSED else ""
            problems.append(f"{r.criterion} {r.outcome.value}, expected {wanted.value}{said}")
        behind_gate = behind_gate or (r.gate and r.outcome is Outcome.FAILED)
    return problems
