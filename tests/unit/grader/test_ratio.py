"""The sequential rule: right far from the threshold, silent at it."""

from __future__ import annotations

import math
import random

import pytest

from grader.result import Outcome
from grader.stats.ratio import LOOKS, decide, next_look


def windows(ratio: float, spread: float, n: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [math.log(ratio) + rng.gauss(0, spread) for _ in range(n)]


@pytest.mark.parametrize(
    ("ratio", "op", "wanted"),
    [
        (1.8, "at_least", Outcome.PASSED),
        (1.1, "at_least", Outcome.FAILED),
        (1.1, "at_most", Outcome.PASSED),
        (1.8, "at_most", Outcome.FAILED),
    ],
)
def test_clear_ratios_are_decided_at_the_first_look(ratio: float, op: str, wanted: Outcome) -> None:
    decision = decide(windows(ratio, 0.05, 14, seed=1), 1.4, op)  # type: ignore[arg-type]
    assert decision.outcome is wanted
    assert decision.low <= ratio * 1.05
    assert decision.high >= ratio * 0.95


def test_nothing_is_decided_before_the_first_look() -> None:
    assert decide(windows(5.0, 0.01, 13, seed=2), 1.4, "at_least").outcome is None


def test_a_ratio_at_the_threshold_stays_inconclusive() -> None:
    outcomes = {decide(windows(1.0, 0.1, 60, seed), 1.0, "at_least").outcome for seed in range(50)}
    assert outcomes == {Outcome.INCONCLUSIVE}


def test_twenty_percent_away_is_never_judged_wrongly() -> None:
    wrong = 0
    for seed in range(500):
        values = windows(1.2, 0.25, 60, seed)
        for look, _ in LOOKS:
            outcome = decide(values[:look], 1.0, "at_least").outcome
            if outcome is not None:
                wrong += outcome is Outcome.FAILED
                break
    assert wrong == 0


def test_the_looks_follow_each_other() -> None:
    assert [next_look(n) for n in (0, 13, 14, 28, 59, 60)] == [14, 14, 20, 40, 60, None]
