"""The sequential rule for a ratio of learner to baseline, measured side by side in one run.

Source: docs/grading.md, 'The rule for a ratio'. Each window (or pair of alternating requests) gives
one log ratio. At the looks n = 14, 20, 28, 40, 60 the interval for the median is [x(k+1), x(n-k)]
of the sorted values with k = 0, 1, 4, 8, 16 (error about 2e-4 a side and look). Decided when it
lies wholly 3 % beyond the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grader.result import Measured, Outcome, Rule

LOOKS: tuple[tuple[int, int], ...] = ((14, 0), (20, 1), (28, 4), (40, 8), (60, 16))
MARGIN = math.log(1.03)


@dataclass(frozen=True, slots=True)
class Decision:
    """``ratio`` is the median, ``low`` and ``high`` its interval;

    ``outcome`` None means: go on measuring.
    """

    outcome: Outcome | None
    ratio: float
    low: float
    high: float
    n: int


def next_look(n: int) -> int | None:
    """How many windows the next look needs, or None after the last."""
    return next((look for look, _ in LOOKS if look > n), None)


def decide(
    log_ratios: Sequence[float], threshold: float, op: Literal["at_least", "at_most"]
) -> Decision:
    """Judge ``ln(learner / baseline)`` values against ``threshold`` (a plain ratio).

    Only the newest look that ``len(log_ratios)`` reaches is used; below the first look nothing is
    decided. At the last look an undecided ratio is inconclusive.
    """
    reached = [(n, k) for n, k in LOOKS if n <= len(log_ratios)]
    values = sorted(log_ratios)
    median = _median(values)
    if not reached:
        return Decision(None, math.exp(median), 0.0, math.inf, len(values))
    n, k = reached[-1]
    values = sorted(log_ratios[:n])
    low, high = values[k], values[n - 1 - k]
    bound = math.log(threshold)
    good, bad = (low > bound + MARGIN, high < bound - MARGIN)
    if op == "at_most":
        good, bad = (high < bound - MARGIN, low > bound + MARGIN)
    outcome = Outcome.PASSED if good else Outcome.FAILED if bad else None
    if outcome is None and n == LOOKS[-1][0]:
        outcome = Outcome.INCONCLUSIVE
    return Decision(outcome, math.exp(_median(values)), math.exp(low), math.exp(high), n)


def _median(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def ratio_rule(threshold: float, op: Literal["at_least", "at_most"]) -> Rule:
    """The rule of a ratio in words."""
    words = "at least" if op == "at_least" else "at most"
    return Rule(
        op=op, threshold=threshold, unit="ratio", text=f"{words} {threshold:.2f} × baseline"
    )


def ratio_measured(decision: Decision) -> Measured:
    """A decision as the value that a page shows. Before the first look there is no interval."""
    if not decision.n:
        return Measured(unit="ratio", n=0, text="nothing measured yet")
    if not math.isfinite(decision.high):
        text = f"{decision.ratio:.2f} × baseline, n = {decision.n}: too few for an interval"
        return Measured(value=decision.ratio, unit="ratio", n=decision.n, text=text)
    text = (
        f"{decision.ratio:.2f} × baseline [{decision.low:.2f}, {decision.high:.2f}], n = "
        f"{decision.n}"
    )
    return Measured(
        value=decision.ratio,
        unit="ratio",
        low=decision.low,
        high=decision.high,
        n=decision.n,
        text=text,
    )
