"""Bars side by side: one pair for each group, the learner's system solid, the baseline hollow."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webui.plots import parts
from webui.plots.data import PlotData, points

TOP, HEIGHT, MOST = 24, 150, 60


def _bar(css: str, x: float, width: float, height: float) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}"/>',
        css,
        parts.num(x),
        parts.num(width),
        parts.num(TOP + HEIGHT - height),
        parts.num(height),
    )


def bars_plot(data: PlotData, uid: str) -> SafeString:
    """Return the figure for values by group; groups are numbered when the series has plain
    numbers.
    """
    app, base = dict(points(data.app)[:MOST]), dict(points(data.baseline)[:MOST])
    groups = sorted({*app, *base})[:MOST]
    if not groups:
        return SafeString("")
    if len(app) == 1 and not base:  # a plot of one value is a number, not a rectangle
        return parts.one_value(data, next(iter(app.values())))
    tops = [
        *app.values(),
        *base.values(),
        *([data.threshold] if data.threshold is not None else []),
    ]
    high = max(*tops, 0.0) * 1.06 or 1.0
    if data.unit == "%" and high <= 106:
        high = 100.0
    step = 100 / len(groups)
    share = step * (0.36 if base else 0.72)
    content = []
    for v in parts.linear_ticks(0, high, 4):
        y = TOP + HEIGHT - v / high * HEIGHT
        content.append(parts.line("grid-l", 0, 100, y, y))
        if v:
            content.append(parts.text(0, y - 4, parts.tick_label(v, data.unit)))
    every = -(-len(groups) // 20)
    for i, group in enumerate(groups):
        x = i * step + step * 0.14
        if group in base:
            content.append(
                _bar("bar-base", x, share, max(0.0, min(1.0, base[group] / high)) * HEIGHT)
            )
        if group in app:
            shift = share if base else 0
            content.append(
                _bar("bar-you", x + shift, share, max(0.0, min(1.0, app[group] / high)) * HEIGHT)
            )
        if i % every == 0:
            content.append(
                parts.text((i + 0.5) * step, TOP + HEIGHT + 16, f"{group:g}", "dim", "middle")
            )
    if data.threshold is not None:
        y = TOP + HEIGHT - data.threshold / high * HEIGHT
        content.append(parts.line("rule", 0, 100, y, y))
        content.append(
            parts.text(
                100, y - 5, f"rule {parts.value(data.threshold, data.unit)}", "strong", "end"
            )
        )
    content.append(parts.line("axis-l", 0, 100, TOP + HEIGHT, TOP + HEIGHT))
    drawing = parts.plot(
        uid, TOP + HEIGHT + 22, data.title, data.summary or data.title, parts.join(content)
    )
    keys = [("you", data.you)] * bool(app) + [("base", "Baseline")] * bool(base)
    rows = [
        [
            f"{g:g}",
            *(
                parts.value(s[g], data.unit) if g in s else "–"
                for s in ((app, base) if base else (app,))
            ),
        ]
        for g in groups
    ]
    head = ["Group", data.you, *(["Baseline"] if base else [])]
    return parts.figure(data.title, data.summary, drawing, head, rows, parts.legend(*keys))
