"""The statistics that decide verdicts, for any figures: mirror symmetry, positions of the interval,
error rates.
"""

from __future__ import annotations

import json
import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.load.metrics import percentile
from grader.result import Outcome
from grader.stats.histogram import LARGEST_S, SMALLEST_S, Histogram
from grader.stats.ratio import LOOKS, MARGIN, decide

LOGS = st.lists(st.floats(-3, 3), min_size=1, max_size=80)
THRESHOLD = st.floats(0.05, 20)
SECONDS = st.floats(SMALLEST_S * 1.02, LARGEST_S * 0.98)
Op = Literal["at_least", "at_most"]


@given(LOGS, THRESHOLD)
def test_a_ratio_and_its_reciprocal_get_the_same_verdict(
    logs: list[float], threshold: float
) -> None:
    one = decide(logs, threshold, "at_least")
    other = decide([-value for value in logs], 1 / threshold, "at_most")
    near = any(abs(abs(value - math.log(threshold)) - MARGIN) < 1e-9 for value in logs)
    assert near or one.outcome is other.outcome
    assert math.isclose(one.ratio, 1 / other.ratio, rel_tol=1e-9)


@given(LOGS, THRESHOLD, st.sampled_from(["at_least", "at_most"]))
def test_the_interval_stands_on_the_ranks_of_the_newest_look(
    logs: list[float], threshold: float, op: Op
) -> None:
    reached = [(n, k) for n, k in LOOKS if n <= len(logs)]
    found = decide(logs, threshold, op)
    if not reached:
        assert (found.outcome, found.low, found.high) == (None, 0.0, math.inf)
        return
    n, k = reached[-1]
    values = sorted(logs[:n])
    assert (found.n, found.low, found.high) == (n, math.exp(values[k]), math.exp(values[n - 1 - k]))
    assert found.low <= found.ratio <= found.high
    assert (found.outcome is Outcome.INCONCLUSIVE) <= (n == LOOKS[-1][0])


@given(LOGS, THRESHOLD, st.randoms())
def test_neither_the_order_of_windows_nor_what_comes_after_a_look_decides(
    logs: list[float], threshold: float, rng: st.DataObject
) -> None:
    reached = max([n for n, _ in LOOKS if n <= len(logs)], default=0)
    shuffled = logs[:reached]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    if reached:
        assert decide(shuffled, threshold, "at_least") == decide(logs, threshold, "at_least")


@given(LOGS, THRESHOLD, st.floats(0.1, 5))
def test_a_faster_service_never_loses_by_it(
    logs: list[float], threshold: float, more: float
) -> None:
    order = {Outcome.FAILED: 0, None: 1, Outcome.INCONCLUSIVE: 1, Outcome.PASSED: 2}
    before = decide(logs, threshold, "at_least").outcome
    after = decide([value + more for value in logs], threshold, "at_least").outcome
    assert order[after] >= order[before]


@pytest.mark.parametrize(("n", "k"), LOOKS)
def test_the_error_of_a_look_is_what_the_documents_say(n: int, k: int) -> None:
    """The interval misses the median on one side when at most k of n values lie on it: a binomial
    tail.
    """
    miss = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert miss <= 2.5e-4


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(1, 100))
def test_any_percentile_is_within_half_a_percent(seconds: list[float], q: float) -> None:
    assert math.isclose(
        Histogram(seconds).percentile(q), percentile(sorted(seconds), q), rel_tol=0.00501
    )


@given(st.lists(SECONDS), st.lists(SECONDS), st.integers(0, 5))
def test_histograms_add_up_and_survive_their_export(
    one: list[float], other: list[float], failed: int
) -> None:
    merged, both = Histogram(one), Histogram([*one, *other, *([math.inf] * failed)])
    merged.merge(Histogram([*other, *([math.inf] * failed)]))
    assert merged.counts == both.counts
    assert merged.failed == both.failed
    again = Histogram.read(json.loads(json.dumps(both.export())))
    assert (again.counts, again.failed) == (both.counts, both.failed)
