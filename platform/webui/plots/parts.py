"""What all plots are made of: numbers, ticks, text, the svg frame and the figure around it."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webui.plots.data import PlotData

NARROW = "\N{NO-BREAK SPACE}"
RATIO_UNITS = {"ratio", "x", "×", "x baseline", "× R"}  # the last: results of older runs


def new_id() -> str:
    """Return an id that is unique in a page, also among fragments that other processes rendered."""
    return f"p{secrets.token_hex(4)}"


def num(x: float) -> str:
    """Format a coordinate: two decimals at most."""
    return f"{x:.2f}".rstrip("0").rstrip(".")


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that can be drawn, sorted."""
    return sorted(float(v) for v in values if isinstance(v, int | float) and math.isfinite(v))


def quantile(ordered: Sequence[float], p: float) -> float:
    """Return the quantile ``p`` of sorted values, with linear interpolation.

    Raises ValueError when there are none.
    """
    if not ordered:
        raise ValueError("no values")
    place = (len(ordered) - 1) * p
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


SHARES = {"share", "recall"}
"""Parts of a whole: people read them as per cent."""


def value(v: float, unit: str = "") -> str:
    """Write a value with its unit as people do: '412 ms', '1.87 s', '97.5 %', '1.17 × baseline'."""
    if unit in {"s", "ms"}:
        seconds = v if unit == "s" else v / 1000
        if abs(seconds) < 0.0995:
            return f"{seconds * 1000:.3g}{NARROW}ms"
        return f"{seconds * 1000:.0f}{NARROW}ms" if abs(seconds) < 1 else f"{seconds:.2f}{NARROW}s"
    if unit in RATIO_UNITS:
        return f"{v:.2f}{NARROW}×{NARROW}baseline"
    if unit in SHARES:
        return f"{v * 100:.3g}{NARROW}%"
    text = f"{v:,.0f}" if abs(v) >= 1000 or v == int(v) else f"{v:.3g}"
    return f"{text}{NARROW}{unit}" if unit else text


def tick_label(v: float, unit: str) -> str:
    """Like ``value``, but short: '500 ms', '2 s'."""
    if unit in {"s", "ms"}:
        seconds = v if unit == "s" else v / 1000
        return (
            f"{seconds:g}{NARROW}s"
            if abs(seconds) >= 1 or v == 0
            else f"{seconds * 1000:g}{NARROW}ms"
        )
    if unit in RATIO_UNITS:
        return f"{v:g}{NARROW}×"
    if unit in SHARES:
        return f"{v * 100:g}{NARROW}%"
    return f"{v:,g}{NARROW}%" if unit == "%" else f"{v:,g}"


def linear_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about ``count`` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) + 0.0 for n in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers for a logarithmic axis:

    1, 2, 5 and their powers of ten, thinned to ``most``.
    """
    for digits in ((1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [d * 10.0**p for p in powers for d in digits if low <= d * 10.0**p <= high]
        if len(ticks) <= most:
            break
    return ticks if len(ticks) >= 2 else linear_ticks(low, high, 3)


def anchor(percent: float) -> str:
    """Return the text anchor that keeps a label at this place inside the plot."""
    return "start" if percent < 8 else "end" if percent > 92 else "middle"


def join(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def text(
    x: float, y: float, words: str, css: str = "dim", align: str = "", dx: float = 0
) -> SafeString:
    """Write words at x percent, y pixels."""
    extra = format_html(' text-anchor="{}"', align) if align else ""
    shift = format_html(' dx="{}"', num(dx)) if dx else ""
    return format_html(
        '<text class="{}" x="{}%"{} y="{}"{}>{}</text>', css, num(x), shift, num(y), extra, words
    )


def line(css: str, x1: float, x2: float, y1: float, y2: float) -> SafeString:
    """Draw a line; x in percent, y in pixels."""
    return format_html(
        '<line class="{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>',
        css,
        num(x1),
        num(x2),
        num(y1),
        num(y2),
    )


def stretched(y: float, height: float, content: SafeString) -> SafeString:
    """Place paths, drawn on a field of 1000 units by ``height``, over the whole width."""
    return format_html(
        '<svg x="0" y="{0}" width="100%" height="{1}" viewBox="0 0 1000 {1}" preserveAspectRatio="none" '
        'overflow="visible">{2}</svg>',
        num(y),
        num(height),
        content,
    )


def path(css: str, d: str) -> SafeString:
    return format_html('<path class="{}" d="{}"/>', css, d)


def hatch(uid: str) -> SafeString:
    """Return the pattern of fault bands."""
    return format_html(
        '<defs><pattern id="{}h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="band" width="6" height="6"/><path class="hatch" d="M0 0V6"/></pattern></defs>',
        uid,
    )


def plot(uid: str, height: float, title: str, desc: str, content: SafeString) -> SafeString:
    """Return the outer svg with its text equivalent."""
    return format_html(
        '<svg class="plot" width="100%" height="{1}" role="img" aria-labelledby="{0}t {0}d">'
        '<title id="{0}t">{2}</title><desc id="{0}d">{3}</desc>{4}</svg>',
        uid,
        num(height),
        title,
        desc,
        content,
    )


SWATCHES = {
    "you": format_html('<line class="you" x1="0" x2="22" y1="5" y2="5"/>{}', ""),
    "base": format_html('<line class="base" x1="0" x2="22" y1="5" y2="5"/>{}', ""),
    "rule": format_html('<line class="rule" x1="0" x2="22" y1="5" y2="5"/>{}', ""),
    "alert": format_html('<rect class="alert" width="22" height="4" y="3"/>{}', ""),
    "band": format_html(
        '<rect class="band" width="22" height="10"/><path class="hatch" d="M2 10 12 0M10 10 20 0"/>{}',
        "",
    ),
}


def legend(*items: tuple[str, str]) -> SafeString:
    """Return the legend; items are (swatch, words) with swatches you, base, rule, band, alert."""
    rows = format_html_join(
        "",
        '<li><svg class="swatch" aria-hidden="true">{}</svg>{}</li>',
        ((SWATCHES[swatch], words) for swatch, words in items),
    )
    return format_html('<ul class="legend">{}</ul>', rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> SafeString:
    """Return a dense table; the first column holds row headings, the others figures."""
    cells = [
        format_html('<th scope="col"{}>{}</th>', _numeric(i), words) for i, words in enumerate(head)
    ]
    body = []
    for row in rows:
        first, *rest = row
        body.append(
            format_html(
                '<tr><th scope="row">{}</th>{}</tr>',
                first,
                format_html_join("", '<td class="n">{}</td>', ((cell,) for cell in rest)),
            )
        )
    return format_html(
        '<table class="table table--dense"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        join(cells),
        join(body),
    )


def _numeric(column: int) -> SafeString:
    return format_html(' class="{}"', "n") if column else SafeString("")


def figure(
    title: str,
    sub: str,
    drawing: SafeString,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    key: SafeString | None = None,
) -> SafeString:
    """Return the figure around a plot: caption, legend, drawing, and the same figures as a
    table.
    """
    return format_html(
        '<figure class="fig"><figcaption><b>{0}</b><span>{1}</span></figcaption>{2}{3}<details>'
        "<summary>Show the figures as a table</summary>"
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{0}, figures">{4}</div></details></figure>',
        title,
        sub,
        key or "",
        drawing,
        table(head, rows),
    )


def one_value(data: PlotData, value_: float) -> SafeString:
    """Return the figure of a series that has a single value, with its rule if there is one."""
    rule = (
        format_html('<dd class="stat__note">rule: {}</dd>', value(data.threshold, data.unit))
        if data.threshold is not None
        else ""
    )
    return format_html(
        '<figure class="fig"><figcaption><b>{}</b><span>{}</span></figcaption>'
        '<dl class="stats stats--open"><div class="stat"><dt>{}</dt><dd>{}</dd>{}</div></dl></figure>',
        data.title,
        data.summary,
        data.you,
        value(value_, data.unit),
        rule,
    )
