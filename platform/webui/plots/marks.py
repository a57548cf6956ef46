"""Small marks beside figures: the gauge of one criterion and the ruler of draft marks under a
score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webui.plots import parts


def field_of(item: Any, name: str, default: Any = None) -> Any:
    """Read a field of a model, a Pydantic value or JSON alike."""
    return item.get(name, default) if isinstance(item, dict) else getattr(item, name, default)


def _number(item: Any, name: str) -> float | None:
    v = field_of(item, name) if item is not None else None
    return (
        float(v)
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
        else None
    )


def gauge(measured: Any, rule: Any) -> SafeString:
    """Return the gauge: bar = axis, green part = what the rule allows, tick = rule, dot = value,
    line = interval.

    Empty when there is nothing to hold against each other: no number, no bound, or different units.
    It is hidden from screen readers because the same figures stand beside it in words.
    """
    v, threshold = _number(measured, "value"), _number(rule, "threshold")
    op = str(field_of(rule, "op", "")) if rule is not None else ""
    if v is None or threshold is None or op not in {"at_least", "at_most"}:
        return SafeString("")
    unit, rule_unit = str(field_of(measured, "unit", "")), str(field_of(rule, "unit", ""))
    if unit and rule_unit and unit != rule_unit:
        return SafeString("")
    low, high = _number(measured, "low"), _number(measured, "high")
    values = [x for x in (v, threshold, low, high) if x is not None]
    place = _placer(values, threshold, unit or rule_unit)
    at = place(threshold)
    start, width = (at, 100 - at) if op == "at_least" else (0.0, at)
    interval = SafeString("")
    if low is not None and high is not None:
        interval = parts.line("ci", place(low), place(high), 7, 7)
    return format_html(
        '<svg class="gauge" aria-hidden="true"><rect class="good" x="{}%" width="{}%" y="2" height="10" rx="2"/>{}{}{}'
        '<circle class="dot" cx="{}%" cy="7" r="4.5"/></svg>',
        parts.num(start),
        parts.num(width),
        parts.line("axis", 0, 100, 7, 7),
        parts.line("rule", at, at, 0, 14),
        interval,
        parts.num(place(v)),
    )


def _placer(values: list[float], threshold: float, unit: str) -> Any:
    """Return the map from a value to percent of the gauge: logarithmic for ratios, else linear
    around the rule.
    """
    if unit in parts.RATIO_UNITS and min(values) > 0:
        a, b = math.log(min(values) / 1.5), math.log(max(values) * 1.5)
        return lambda x: min(100.0, max(0.0, (math.log(x) - a) / (b - a) * 100 if x > 0 else 0.0))
    reach = max(max(abs(x - threshold) for x in values) * 1.3, abs(threshold) * 0.15, 1e-9)
    low, high = threshold - reach, threshold + reach
    if min(values) >= 0:
        low = max(0.0, low)
    if unit == "%" and max(values) <= 100:
        high = min(100.0, high)
    if high <= low:
        high = low + 1.0
    return lambda x: min(100.0, max(0.0, (x - low) / (high - low) * 100))


@dataclass(frozen=True)
class Tally:
    """Points of a run, out of ``total``: earned piece by piece, undecided, lost."""

    got: list[float]
    undecided: float
    lost: float
    gate_failed: bool

    @property
    def total(self) -> float:
        return sum(self.got) + self.undecided + self.lost or 100.0


def tally(results: Sequence[Any]) -> Tally:
    """Count the points of criteria: models, Pydantic values or JSON with outcome, points,
    max_points, gate.
    """
    got: list[float] = []
    undecided = lost = 0.0
    gate_failed = False
    for result in results:
        points, most = (
            float(field_of(result, "points", 0) or 0),
            float(field_of(result, "max_points", 0) or 0),
        )
        outcome = str(field_of(result, "outcome", ""))
        if points > 0:
            got.append(points)
        if outcome == "inconclusive":
            undecided += max(0.0, most - points)
        else:
            lost += max(0.0, most - points)
        gate_failed |= bool(field_of(result, "gate", False)) and outcome == "failed"
    return Tally(got, undecided, lost, gate_failed)


def scale(results: Sequence[Any], pass_score: float, gate_cap: float) -> SafeString:
    """Return the ruler from 0 to 100 with what was earned, what is undecided, what was lost, and
    the pass mark.
    """
    t = tally(results)
    factor, x, out = 100 / t.total, 0.0, []
    counted = gate_cap if t.gate_failed else 100.0
    for points in t.got:
        end = x + points * factor
        out += _earned(x, end, counted)
        x = end
        out.append(parts.line("cut", x, x, 14, 28))
    for css, points in (("undecided", t.undecided), ("lost", t.lost)):
        if points:
            out.append(_piece(css, x, points * factor))
            x += points * factor
    out += [
        parts.line(
            "tick tick--major" if n % 10 == 0 else "tick", n, n, 31, 36 if n % 10 == 0 else 34
        )
        for n in range(0, 101, 5)
    ]
    out.append(_scale_text(0, "0"))
    if abs(gate_cap - pass_score) >= 24 and 8 <= gate_cap <= 92:
        out.append(
            _scale_text(gate_cap, f"{gate_cap:g} gate cap", "strong" if t.gate_failed else "dim")
        )
    if pass_score <= 86:
        out.append(_scale_text(100, "100"))
    out.append(parts.line("mark", pass_score, pass_score, 8, 36))
    out.append(_scale_text(pass_score, f"{pass_score:g} to pass", "strong"))
    return format_html(
        '<svg class="scale" role="img" aria-label="{}">{}</svg>',
        _scale_words(t, pass_score, gate_cap),
        parts.join(out),
    )


def _earned(x: float, end: float, counted: float) -> list[SafeString]:
    """Points from ``x`` to ``end``: those beyond what counts after a failed gate are drawn as not
    counted.
    """
    out = []
    if x < counted:
        out.append(_piece("got", x, min(end, counted) - x))
    if end > counted:
        out.append(_piece("capped", max(x, counted), end - max(x, counted)))
    return out


def _piece(css: str, x: float, width: float) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}%" width="{}%" y="14" height="14" stroke-width="1"/>',
        css,
        parts.num(x),
        parts.num(width),
    )


def _scale_text(x: float, words: str, css: str = "dim") -> SafeString:
    return parts.text(x, 48, words, css, parts.anchor(x))


def _scale_words(t: Tally, pass_score: float, gate_cap: float) -> str:
    undecided = f" {t.undecided:g} undecided," if t.undecided else ""
    cap = "A failed gate would cap"
    if t.gate_failed:
        beyond = max(0.0, sum(t.got) * 100 / t.total - gate_cap)
        cap = (
            f"{beyond:g} of the earned points do not count: a failed gate caps"
            if beyond
            else "A failed gate caps"
        )
    return (
        f"{sum(t.got):g} points earned,{undecided} {t.lost:g} lost. {pass_score:g} are needed to "
        "pass. "
        f"{cap} the score at {gate_cap:g}."
    )
