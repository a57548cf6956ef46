"""The data of a plot, from a grader's Series or its JSON, with everything thrown out that can't be
drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grader.result import Series

MOST_POINTS = 20_000
MOST_BANDS = 50
Point = tuple[float, float]


class Band(NamedTuple):
    """A fault or an alert: begin and end in seconds, its name, and which of both it is."""

    begin: float
    end: float
    name: str
    kind: str = "fault"


@dataclass(frozen=True)
class PlotData:
    """``app`` and ``baseline`` are numbers for a histogram, (x, y) points for a timeline, either
    for bars.
    """

    kind: str
    title: str
    unit: str = ""
    app: list[Any] = field(default_factory=list)
    baseline: list[Any] = field(default_factory=list)
    threshold: float | None = None
    summary: str = ""
    bands: list[Band] = field(default_factory=list)
    you: str = "Your system"


def plot_data(series: Series | Mapping[str, Any], you: str = "Your system") -> PlotData:
    """Return the drawable part of a series.

    Stored JSON of older graders may lack fields; they get defaults.
    """
    raw = series.model_dump() if isinstance(series, Series) else dict(series)
    threshold: Any = raw.get("threshold")
    return PlotData(
        kind=str(raw.get("kind", "")),
        title=str(raw.get("title", "")),
        unit=str(raw.get("unit", "")),
        app=list(raw.get("app") or [])[:MOST_POINTS],
        baseline=list(raw.get("baseline") or [])[:MOST_POINTS],
        threshold=float(threshold) if _is_number(threshold) else None,
        summary=str(raw.get("summary", "")),
        bands=_bands(raw.get("marks") or []),
        you=you,
    )


def _bands(raw: Iterable[Any]) -> list[Band]:
    out = []
    for mark in list(raw)[:MOST_BANDS]:
        if (
            isinstance(mark, Mapping)
            and _is_number(mark.get("start_s"))
            and _is_number(mark.get("end_s"))
        ):
            kind = "alert" if mark.get("kind") == "alert" else "fault"
            out.append(
                Band(
                    float(mark["start_s"]),
                    float(mark["end_s"]),
                    str(mark.get("text", ""))[:80],
                    kind,
                )
            )
    return out


def _is_number(x: object) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def points(raw: Iterable[Any]) -> list[Point]:
    """Return (x, y) points sorted by x. Plain numbers are counted: 1, 2, 3, ..."""
    out: list[Point] = []
    for index, item in enumerate(raw, start=1):
        pair = item if isinstance(item, list | tuple) else (index, item)
        if len(pair) == 2 and _is_number(pair[0]) and _is_number(pair[1]):
            out.append((float(pair[0]), float(pair[1])))
    return sorted(out)
