"""Score and verdict from criteria."""

from __future__ import annotations

import pytest

from grader.lab import CheckUse, Criterion, Rubric
from grader.result import CheckResult, Outcome, Verdict
from grader.verdict import score_of, verdict_of

P, F, U, S = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED
USE = [CheckUse(check="health")]
RUBRIC = Rubric(
    criteria=[
        Criterion(id="gate", title="g", rule="all", weight=20, gate=True, checks=USE),
        Criterion(id="big", title="b", rule="all", weight=50, checks=USE),
        Criterion(id="small", title="s", rule="all", weight=30, checks=USE),
    ]
)


def results(*outcomes: Outcome) -> list[CheckResult]:
    return [
        CheckResult(
            criterion=c.id,
            check="health",
            title=c.title,
            gate=c.gate,
            outcome=o,
            points=c.weight if o is P else 0,
            max_points=c.weight,
            message="",
        )
        for c, o in zip(RUBRIC.criteria, outcomes, strict=True)
    ]


@pytest.mark.parametrize(
    ("outcomes", "score", "verdict"),
    [
        ((P, P, P), 100, Verdict.PASSED),
        ((P, P, F), 70, Verdict.PASSED),
        ((P, F, P), 50, Verdict.FAILED),
        ((F, P, P), 40, Verdict.FAILED),
        ((F, S, S), 0, Verdict.FAILED),
        ((U, P, P), 80, Verdict.INCONCLUSIVE),
        ((P, U, P), 50, Verdict.INCONCLUSIVE),
        ((P, P, U), 70, Verdict.PASSED),
        ((P, U, F), 20, Verdict.INCONCLUSIVE),
        ((P, F, U), 20, Verdict.FAILED),
    ],
)
def test_score_and_verdict(outcomes: tuple[Outcome, ...], score: float, verdict: Verdict) -> None:
    assert score_of(RUBRIC, results(*outcomes)) == score
    assert verdict_of(RUBRIC, results(*outcomes)) is verdict


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((P, P), Verdict.PASSED),
        ((P, F), Verdict.FAILED),
        ((P, U), Verdict.INCONCLUSIVE),
        ((F, U), Verdict.FAILED),
    ],
)
def test_of_chosen_criteria_all_have_to_hold(
    outcomes: tuple[Outcome, ...], verdict: Verdict
) -> None:
    chosen = results(P, *outcomes)[1:]
    assert verdict_of(RUBRIC, chosen, chosen=True) is verdict
    broken = [*chosen[:-1], chosen[-1].model_copy(update={"our_fault": True})]
    expected = verdict if verdict is Verdict.FAILED and outcomes[0] is F else Verdict.ERRORED
    if outcomes[-1] is U:
        assert verdict_of(RUBRIC, broken, chosen=True) is expected
