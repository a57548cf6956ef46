"""How the result of a proof departs from what was expected: a submission's, a starter's, a
cheat's.
"""

from __future__ import annotations

from dataclasses import dataclass

from grader.lab import Expectation
from grader.result import Outcome, RunResult, Verdict


@dataclass(frozen=True, slots=True)
class Departure:
    """One of them in words.

    ``undecided``: nothing wrong was said; the machine was too busy to tell.
    """

    text: str
    undecided: bool = False


def of_submission(expectation: Expectation, result: RunResult) -> list[Departure]:
    """Every way in which the result departs from the expectation, criterion by criterion."""
    found = _of_verdict(expectation.verdict, result)
    behind_gate = False
    for r in result.criteria:
        wanted = Outcome.FAILED if r.criterion in expectation.fails else Outcome.PASSED
        if behind_gate and r.outcome is Outcome.SKIPPED and wanted is Outcome.PASSED:
            continue
        if r.outcome is not wanted:
            said = f" ({r.message})" if r.outcome is not Outcome.PASSED else ""
            text = f"{r.criterion} {r.outcome.value}, expected {wanted.value}{said}"
            found.append(Departure(text, r.outcome is Outcome.INCONCLUSIVE))
        behind_gate = behind_gate or (r.gate and r.outcome is Outcome.FAILED)
    return found


def of_starter(result: RunResult) -> list[Departure]:
    """A starter runs and fails, wherever."""
    if result.verdict is Verdict.FAILED:
        return []
    text = f"a starter must run and fail, but the verdict is {result.verdict.value} {result.reason}".strip()
    return [Departure(text, result.verdict is Verdict.INCONCLUSIVE)]


def of_cheat(expectation: Expectation, result: RunResult) -> list[Departure]:
    """What the cheat gained: nothing, if it is to hold. More may fail than is expected."""
    found = _of_verdict(Verdict.FAILED.value, result)
    if result.verdict is Verdict.FAILED and not any(
        r.outcome is Outcome.FAILED for r in result.criteria
    ):
        found.append(Departure("failed without a failed criterion"))
    found += [
        Departure(f"{r.criterion} passed, expected failed")
        for r in result.criteria
        if r.criterion in expectation.fails and r.outcome is Outcome.PASSED
    ]
    return found


def _of_verdict(wanted: str, result: RunResult) -> list[Departure]:
    if result.verdict.value == wanted:
        return []
    text = f"verdict {result.verdict.value}, expected {wanted} {result.reason}".strip()
    return [Departure(text, result.verdict is Verdict.INCONCLUSIVE)]
