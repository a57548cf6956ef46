"""Two histograms on one axis, the baseline above and the learner's system below, with the rule
across both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webui.plots import parts
from webui.plots.data import PlotData

BINS, HEIGHT, TOP, GAP = 44, 84, 26, 34


@dataclass(frozen=True)
class Axis:
    """Maps values to percent of the width, logarithmic when the values span much."""

    low: float
    high: float
    log: bool

    @classmethod
    def over(cls, values: list[float]) -> Axis:
        low, high = min(values), max(values)
        if low > 0 and high / low > 4:
            return cls(low / 1.15, high * 1.15, True)
        margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(max(0.0, low - margin) if low >= 0 else low - margin, high + margin, False)

    def percent(self, v: float) -> float:
        if self.log:
            return (
                (math.log(v) - math.log(self.low))
                / (math.log(self.high) - math.log(self.low))
                * 100
            )
        return (v - self.low) / (self.high - self.low) * 100

    def ticks(self) -> list[float]:
        return (
            parts.log_ticks(self.low, self.high)
            if self.log
            else parts.linear_ticks(self.low, self.high)
        )


def _counts(sample: list[float], axis: Axis) -> list[int]:
    bins = [0] * BINS
    for v in sample:
        bins[min(BINS - 1, max(0, int(axis.percent(v) / 100 * BINS)))] += 1
    return bins


def _area(bins: list[int], most: int, fill: str, stroke: str) -> SafeString:
    width = 1000 / BINS
    steps = "".join(
        f"V{HEIGHT - n / most * (HEIGHT - 14):.1f}H{(i + 1) * width:.1f}"
        for i, n in enumerate(bins)
    )
    d = f"M0 {HEIGHT}{steps}V{HEIGHT}"
    return parts.join([parts.path(fill, d + "Z"), parts.path(stroke, d)])


def _side(
    sample: list[float], name: str, top: float, axis: Axis, most: int, unit: str, you: bool
) -> SafeString:
    """Draw one histogram with its name, its median and a line to its 95th percentile."""
    foot = top + HEIGHT
    ink, dot = ("you-t", "dot") if you else ("strong", "dot-b")
    p50 = parts.quantile(sample, 0.5)
    x, x95 = axis.percent(p50), axis.percent(parts.quantile(sample, 0.95))
    area = _area(
        _counts(sample, axis), most, "you-a" if you else "base-a", "you" if you else "base-s"
    )
    return parts.join(
        [
            parts.stretched(top, HEIGHT, area),
            parts.line("axis-l", 0, 100, foot, foot),
            parts.line("axis-l", x, x95, foot, foot),
            format_html('<circle class="{}" cx="{}%" cy="{}" r="5"/>', dot, parts.num(x), foot),
            parts.text(
                x,
                foot + 18,
                f"p50 {parts.value(p50, unit)}",
                ink,
                "start" if x < 12 else "end" if x > 70 else "middle",
            ),
            parts.text(0, top - 4 if x < 24 else top + 12, name, ink),
        ]
    )


def _rule(threshold: float, axis: Axis, foot: float, unit: str) -> SafeString:
    x = axis.percent(threshold)
    right = x > 70
    return parts.join(
        [
            parts.line("rule", x, x, TOP - 14, foot),
            parts.text(
                x,
                TOP - 6,
                f"rule {parts.value(threshold, unit)}",
                "strong",
                "end" if right else "start",
                -6 if right else 6,
            ),
        ]
    )


def _rows(sides: dict[str, list[float]], names: dict[str, str], unit: str) -> list[list[str]]:
    levels = (0.5, 0.9, 0.95, 0.99)
    rows = [
        [names[key], *(parts.value(parts.quantile(s, p), unit) for p in levels), f"{len(s):,}"]
        for key, s in sides.items()
    ]
    if len(sides) == 2:
        base, you = sides["baseline"], sides["app"]
        pairs = [(parts.quantile(you, p), parts.quantile(base, p)) for p in levels]
        rows.append(["Ratio", *(f"{a / b:.2f}" if b else "–" for a, b in pairs), ""])
    return rows


def two_histograms(data: PlotData, uid: str) -> SafeString:
    """Return the figure for samples of one or both sides; empty when neither has a value that can
    be drawn.
    """
    sides = {
        key: s
        for key, s in (("baseline", parts.finite(data.baseline)), ("app", parts.finite(data.app)))
        if s
    }
    if not sides:
        return SafeString("")
    names = {"baseline": "Baseline", "app": data.you}
    values = [v for s in sides.values() for v in s]
    axis = Axis.over([*values, *([data.threshold] if data.threshold is not None else [])])
    most = max(max(_counts(s, axis)) for s in sides.values())
    foot = TOP + len(sides) * HEIGHT + (len(sides) - 1) * GAP + 26
    content = [
        part
        for tick in axis.ticks()
        for x in (axis.percent(tick),)
        for part in (
            parts.line("grid-l", x, x, TOP, foot),
            parts.text(x, foot + 14, parts.tick_label(tick, data.unit), "dim", parts.anchor(x)),
        )
    ]
    for place, (key, sample) in enumerate(sides.items()):
        top = TOP + place * (HEIGHT + GAP)
        content.append(_side(sample, names[key], top, axis, most, data.unit, key == "app"))
    if data.threshold is not None:
        content.append(_rule(data.threshold, axis, foot, data.unit))
    drawing = parts.plot(
        uid, foot + 20, data.title, data.summary or data.title, parts.join(content)
    )
    sub = ", ".join(f"{names[key]} n = {len(s):,}" for key, s in sides.items())
    return parts.figure(
        data.title,
        f"{sub}; {'logarithmic' if axis.log else 'linear'} axis",
        drawing,
        ["Side", "p50", "p90", "p95", "p99", "n"],
        _rows(sides, names, data.unit),
    )
