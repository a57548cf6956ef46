"""From criteria to a score and a verdict. Pure arithmetic; docs/grading.md, 'Outcomes'."""

from __future__ import annotations

from collections.abc import Sequence

from grader.lab import Rubric
from grader.result import CheckResult, Outcome, Verdict


def score_of(rubric: Rubric, results: Sequence[CheckResult]) -> float:
    """Points out of 100; capped when a gate failed."""
    points = sum(r.points for r in results)
    broken = any(r.gate and r.outcome is Outcome.FAILED for r in results)
    return round(min(points, rubric.gate_cap) if broken else points, 2)


def verdict_of(rubric: Rubric, results: Sequence[CheckResult], *, chosen: bool = False) -> Verdict:
    """Passed: every gate and enough points.

    Inconclusive only where the undecided could still change that.

    Errored instead of inconclusive where a fault of ours is among what is undecided: somebody has
    to mend it.
    ``chosen``: only some criteria were asked for, so no score can say anything; passed is then all
    of them.
    """
    if chosen:
        return _verdict_of_chosen(results)
    gates = [r for r in results if r.gate]
    if any(r.outcome is Outcome.FAILED for r in gates):
        return Verdict.FAILED
    score = sum(r.points for r in results)
    undecided = sum(r.max_points for r in results if r.outcome is Outcome.INCONCLUSIVE)
    if score + undecided < rubric.pass_score:
        return Verdict.FAILED
    if score < rubric.pass_score or any(r.outcome is Outcome.INCONCLUSIVE for r in gates):
        return Verdict.ERRORED if any(r.our_fault for r in results) else Verdict.INCONCLUSIVE
    return Verdict.PASSED


def _verdict_of_chosen(results: Sequence[CheckResult]) -> Verdict:
    if any(r.outcome is Outcome.FAILED for r in results):
        return Verdict.FAILED
    if any(r.our_fault for r in results):
        return Verdict.ERRORED
    if any(r.outcome is Outcome.INCONCLUSIVE for r in results):
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED


def not_judged(results: Sequence[CheckResult]) -> str:
    """Which criteria a fault of ours left unjudged, in one sentence."""
    titles = ", ".join(f"“{r.title}”" for r in results if r.our_fault)
    return f"Not judged, because a check of ours failed in itself: {titles}."
