"""Histograms as evidence: whole where the plot shows a part, apart from the results, and
mergeable.
"""

from __future__ import annotations

import json
from array import array

from grader.checks.plots import SHOWN, seconds_histogram
from grader.evidence import Histograms
from grader.result import CheckResult, Outcome, Series
from grader.stats.histogram import Histogram

MANY = [0.01] * SHOWN + [0.5] * 500


def result(*series: Series) -> CheckResult:
    return CheckResult(
        criterion="speed",
        check="x",
        title="Speed",
        gate=False,
        outcome=Outcome.PASSED,
        points=1,
        max_points=1,
        message="said",
        series=list(series),
    )


def test_a_plot_shows_a_part_and_the_histogram_holds_all() -> None:
    series = seconds_histogram("Latency", array("d", MANY), [0.02], threshold=0.1, summary="said")
    assert (len(series.app), series.baseline, series.unit) == (SHOWN, [0.02], "s")
    found = Histogram.read(series.whole["app"])
    assert len(found) == len(MANY)
    assert 0.49 < found.percentile(95) < 0.51
    assert "baseline" not in seconds_histogram("Latency", [0.1], summary="said").whole


def test_results_are_kept_without_the_histograms_and_those_add_up() -> None:
    histograms = Histograms()
    bare = result(Series(kind="bars", title="Shares", unit="searches", app=[1.0]))
    assert histograms.taken_from(bare) is bare
    assert histograms.text() == ""
    merged = Histogram()
    for samples in (MANY, [0.7] * 10):
        kept = histograms.taken_from(result(seconds_histogram("Latency", samples, summary="said")))
        assert kept.series[0].whole == {}
        assert kept.series[0].app
    for row in json.loads(histograms.text()):
        assert (row["criterion"], row["title"]) == ("speed", "Latency")
        merged.merge(Histogram.read(row["sides"]["app"]))
    assert len(merged) == len(MANY) + 10
