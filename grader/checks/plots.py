"""Plots of samples, in the one form in which checks hand them over."""

from __future__ import annotations

from collections.abc import Sequence

from grader.result import Series
from grader.stats.histogram import Histogram

SHOWN = 2000


def seconds_histogram(
    title: str,
    app: Sequence[float],
    baseline: Sequence[float] = (),
    *,
    threshold: float | None = None,
    summary: str,
) -> Series:
    """Samples in seconds:

    ``SHOWN`` of each side to be drawn, and all of them as histograms for the run's evidence.
    """
    sides = {"app": app, "baseline": baseline}
    return Series(
        kind="histogram",
        title=title,
        unit="s",
        app=list(app[:SHOWN]),
        baseline=list(baseline[:SHOWN]),
        threshold=threshold,
        whole={name: Histogram(values).export() for name, values in sides.items() if len(values)},
        summary=summary,
    )
