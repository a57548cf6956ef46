"""Percentiles, windows, timelines and streaming figures, from samples whose truth is known."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from grader.load.metrics import Samples, percentile
from grader.stats.histogram import Histogram


def made(
    latency: list[float], *, side: list[int] | None = None, lag: float = 0.0, rate: float = 10
) -> Samples:
    n = len(latency)
    return Samples(
        side=array("B", side or [0] * n),
        index=array("L", range(n)),
        due=array("d", (i / rate for i in range(n))),
        lag_s=array("d", [lag] * n),
        latency_s=array("d", latency),
        service_s=array("d", latency),
        ttft_s=array("d", latency),
        status=array("H", [200] * n),
        error=["wrong" if math.isinf(value) else "" for value in latency],
    )


def test_percentiles_are_nearest_rank() -> None:
    assert [percentile([4, 1, 3, 2], q) for q in (0, 1, 25, 26, 50, 75, 99, 100)] == [
        1,
        1,
        1,
        2,
        2,
        3,
        4,
        4,
    ]
    assert percentile(range(1, 101), 95) == 95
    assert percentile(range(1, 1001), 99.9) == 999
    assert math.isnan(percentile([], 50))
    for wrong in (0.5, 0.99, -1, 101):
        with pytest.raises(ValueError):
            percentile([1.0], wrong)


def test_a_failed_request_is_the_slowest_of_all() -> None:
    samples = made([0.1] * 97 + [math.inf] * 3)
    assert samples.percentile(97) == 0.1
    assert math.isinf(samples.percentile(98))
    assert samples.errors() == {"wrong": 3}


def test_sides_are_told_apart() -> None:
    samples = made([0.1, 0.2, 0.1, math.inf], side=[0, 1, 0, 1])
    assert (samples.percentile(50, 0), samples.percentile(50, 1)) == (0.1, 0.2)
    assert samples.errors(0) == {}
    assert samples.errors(1) == {"wrong": 1}
    assert list(samples.of(1).index) == [1, 3]
    assert (len(samples.histogram()), len(samples.histogram(1)), samples.histogram(1).failed) == (
        4,
        2,
        1,
    )
    assert samples.of(1).error == ["", "wrong"]


def test_windows_go_by_due_time() -> None:
    windows = made([0.1] * 25, rate=10).windows(1)
    assert [len(window) for window in windows] == [10, 10, 5]
    assert list(windows[1].index) == list(range(10, 20))


def test_the_timeline_has_the_rate_the_errors_and_the_latency_of_each_bin() -> None:
    samples = made([0.1] * 10 + [0.3] * 10 + [math.inf] * 10, rate=10)
    samples.due[20:] = array("d", (3 + i / 10 for i in range(10)))  # a second without requests
    line = samples.timeline(1)
    assert line.rate == [(0, 10), (1, 10), (2, 0), (3, 10)]
    assert line.errors == [(0, 0), (1, 0), (2, 0), (3, 10)]
    assert line.p50_ms == line.p95_ms == [(0, 100), (1, 300)]
    assert Samples().timeline(1).rate == []


def test_the_client_was_late_when_its_own_error_is_large_in_the_tail() -> None:
    assert not made([0.1] * 200, lag=0.001).client_was_late()
    assert made([0.1] * 200, lag=0.02).client_was_late()
    few = made([0.1] * 200)
    few.lag_s[7] = 1.0
    assert not few.client_was_late()
    few.lag_s[8] = few.lag_s[9] = 1.0
    assert few.client_was_late()
    assert not Samples().client_was_late()


def test_streams_have_gaps_rates_and_goodput() -> None:
    samples = made([1.0, 1.0, math.inf, 2.0], rate=10)
    samples.ttft_s = array("d", [0.1, 0.5, math.inf, 0.1])
    samples.tokens = array("L", [3, 2, 0, 1])
    samples.gap_from = array("L", [0, 2, 3, 3])
    samples.gap_s = array("d", [0.02, 0.04, 0.5])
    assert list(samples.gaps(0)) == [0.02, 0.04]
    assert list(samples.token_gaps()) == [0.02, 0.04, 0.5]
    assert samples.tokens_per_s() == pytest.approx(6 / 2.3)
    assert samples.goodput(ttft_s=0.2) == 0.5
    assert samples.goodput(ttft_s=1) == 0.75
    assert samples.goodput(ttft_s=1, gap_s=0.1) == 0.5
    assert samples.goodput(ttft_s=1, gap_s=0.03, q=50) == 0.5
    part = samples.pick([1, 3])
    assert (list(part.tokens), list(part.gaps(0)), list(part.gaps(1))) == ([2, 1], [0.5], [])
    assert Samples().tokens_per_s() == 0
    assert math.isnan(Samples().goodput(ttft_s=1))


def test_histograms_are_close_to_the_samples_and_survive_export_and_merging() -> None:
    rng = random.Random(3)
    values = [rng.lognormvariate(-4, 1) for _ in range(5000)]
    whole, one, other = (
        Histogram([*values, math.inf]),
        Histogram(values[:2000]),
        Histogram([*values[2000:], math.inf]),
    )
    for q in (1, 50, 95, 99):
        assert whole.percentile(q) == pytest.approx(percentile([*values, math.inf], q), rel=0.0051)
    one.merge(Histogram.read(other.export()))
    assert one.export() == whole.export()
    assert (len(whole), whole.failed) == (5001, 1)
    assert math.isinf(whole.percentile(100))
    assert math.isnan(Histogram().percentile(50))
    assert Histogram([0.0, 1e9]).percentile(1) <= 1e-6


def test_a_histogram_of_another_shape_is_refused() -> None:
    export = Histogram([0.1]).export()
    for wrong in (
        {**export, "growth": 1.02},
        {**export, "counts": {"99999": 1}},
        {**export, "counts": {"3": -1}},
    ):
        with pytest.raises(ValueError):
            Histogram.read(wrong)
