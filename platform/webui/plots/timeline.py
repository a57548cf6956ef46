"""Values over the time of a run, with the rule and the bands of injected faults."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.safestring import SafeString

from webui.plots import bands as marked
from webui.plots import parts
from webui.plots.data import Band, PlotData, Point, points

TOP, HEIGHT = 24, 170


def _thin(series: list[Point], most: int = 1200) -> list[Point]:
    """Keep at most ``most`` points, with the extremes of every stretch, so spikes stay visible."""
    if len(series) <= most:
        return series
    size = -(-len(series) * 2 // most)
    kept: list[Point] = []
    for i in range(0, len(series), size):
        stretch = series[i : i + size]
        kept += sorted({min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])})
    return kept


def _line(
    series: list[Point], css: str, start: float, span: float, low: float, high: float
) -> SafeString:
    place = (
        f"{(t - start) / span * 1000:.1f} {HEIGHT - (v - low) / (high - low) * HEIGHT:.1f}"
        for t, v in _thin(series)
    )
    return parts.path(css, "M" + "L".join(place))


def _rows(
    app: list[Point], base: list[Point], start: float, span: float, unit: str, bands: Sequence[Band]
) -> list[list[str]]:
    """Return the mean of each tenth of the run, a row each, with the faults that fell into it."""
    rows = []
    for i in range(10):
        a, b = start + span * i / 10, start + span * (i + 1) / 10
        cells = []
        for series in (app, base) if base else (app,):
            inside = [v for t, v in series if a <= t < b or (i == 9 and t == b)]
            cells.append(parts.value(sum(inside) / len(inside), unit) if inside else "–")
        if bands:
            cells.append(
                ", ".join(band.name for band in bands if band.begin < b and band.end > a) or "–"
            )
        rows.append([f"{a:.0f} to {b:.0f} s" if span >= 20 else f"{a:.1f} to {b:.1f} s", *cells])
    return rows


def _time_axis(start: float, span: float, bottom: float) -> list[SafeString]:
    out = [parts.line("axis-l", 0, 100, bottom, bottom)]
    for t in parts.linear_ticks(start, start + span, 5):
        x = (t - start) / span * 100
        out.append(parts.text(x, bottom + 16, f"{t:g}{parts.NARROW}s", "dim", parts.anchor(x)))
    return out


def timeline_plot(data: PlotData, uid: str, bands: Sequence[Band] = ()) -> SafeString:
    """Return the figure for (seconds, value) points; empty when there is nothing to draw."""
    app, base = points(data.app), points(data.baseline)
    every = app + base
    if not every:
        return SafeString("")
    start, end = min(t for t, _ in every), max(t for t, _ in every)
    start = 0.0 if 0 <= start < end * 0.2 else start
    span = (end - start) or 1.0
    shown = marked.inside([*data.bands, *bands], start, span)
    top = TOP + marked.height(shown, start, span)
    tops = [v for _, v in every] + ([data.threshold] if data.threshold is not None else [])
    low, high = min(0.0, *tops), max(tops)
    high = 100.0 if data.unit == "%" and high <= 100 else high + (high - low) * 0.06 or 1.0

    def y(v: float) -> float:
        return top + HEIGHT - (v - low) / (high - low) * HEIGHT

    ticks = parts.linear_ticks(low, high, 4)
    content = [parts.hatch(uid), *marked.draw(shown, start, span, top, HEIGHT, uid)]
    content += [parts.line("grid-l", 0, 100, y(v), y(v)) for v in ticks]
    drawn = [_line(base, "base", start, span, low, high)] if base else []
    drawn += [_line(app, "you", start, span, low, high)] if app else []
    content.append(parts.stretched(top, HEIGHT, parts.join(drawn)))
    content += [parts.text(0, y(v) - 4, parts.tick_label(v, data.unit)) for v in ticks if v > low]
    if data.threshold is not None:
        content.append(parts.line("rule", 0, 100, y(data.threshold), y(data.threshold)))
        content.append(
            parts.text(
                100,
                y(data.threshold) - 5,
                f"rule {parts.value(data.threshold, data.unit)}",
                "strong",
                "end",
            )
        )
    content += _time_axis(start, span, top + HEIGHT)
    drawing = parts.plot(
        uid, top + HEIGHT + 22, data.title, data.summary or data.title, parts.join(content)
    )
    keys = [("you", data.you)] * bool(app) + [("base", "Baseline")] * bool(base)
    keys += [("rule", "Rule")] * (data.threshold is not None) + marked.key(shown)
    head = ["Part of the run", f"{data.you}, mean", *(["Baseline, mean"] if base else [])]
    head += ["Fault"] * bool(shown)
    rows = _rows(app, base, start, span, data.unit, shown)
    return parts.figure(data.title, data.summary, drawing, head, rows, parts.legend(*keys))
