"""Faults and alerts on a timeline: where they lie, how they are told apart, and the key that names
them.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from webui.plots import parts
from webui.plots.data import Band

LANE = 15
"""Pixels of a row of labels above the plot."""
ROOM = 6.0
"""Percent of the width that a number needs, also on a phone."""
NAMED = 12


def inside(bands: Sequence[Band], start: float, span: float) -> list[Band]:
    """The bands that the plot shows, by their begin."""
    return sorted(
        (b for b in bands if b.end > start and b.begin < start + span),
        key=lambda b: (b.begin, b.end),
    )


def lanes(bands: Sequence[Band], start: float, span: float) -> list[int]:
    """A row for each band's number, and for an alert's bar, such that no two of them touch."""
    free: list[float] = []
    found = []
    for band in bands:
        at = (band.begin - start) / span * 100
        lane = next((i for i, until in enumerate(free) if until <= at), len(free))
        bar = (band.end - start) / span * 100 if band.kind == "alert" else 0.0
        free[lane : lane + 1] = [max(at + ROOM, ROOM, bar)]
        found.append(lane)
    return found


def height(bands: Sequence[Band], start: float, span: float) -> int:
    """Pixels that all rows of labels take beyond the first."""
    return LANE * max(lanes(bands, start, span), default=0)


def draw(
    bands: Sequence[Band], start: float, span: float, top: float, size: float, uid: str
) -> list[SafeString]:
    """Faults as hatched bands over the whole height, alerts as bars above it; one is named, more
    are numbered.
    """
    out: list[SafeString] = []
    for number, (band, lane) in enumerate(zip(bands, lanes(bands, start, span), strict=True), 1):
        x1 = max(0.0, (band.begin - start) / span * 100)
        x2 = min(100.0, (band.end - start) / span * 100)
        y = top - 12 - lane * LANE
        out.append(
            _alert(x1, x2, y + 3)
            if band.kind == "alert"
            else _fault(x1, x2, top - 4, size + 4, uid)
        )
        words = band.name if len(bands) == 1 else str(number)
        out.append(
            parts.text(x1, y, words, "strong", "end" if x1 > 80 and len(bands) == 1 else "start")
        )
    return out


def _fault(x1: float, x2: float, y: float, size: float, uid: str) -> SafeString:
    width = parts.num(x2 - x1)
    text = '<rect x="{}%" y="{}" width="{}%" height="{}" fill="url(#{}h)"/>'
    return format_html(text, parts.num(x1), parts.num(y), width, parts.num(size), uid)


def _alert(x1: float, x2: float, y: float) -> SafeString:
    text = '<rect class="alert" x="{}%" y="{}" width="{}%" height="4"/>'
    return format_html(text, parts.num(x1), parts.num(y), parts.num(x2 - x1))


def key(bands: Sequence[Band]) -> list[tuple[str, str]]:
    """Items of the legend: what a lone band is, or what each number stands for."""
    if len(bands) < 2:
        return [(_swatch(band), band.kind.capitalize()) for band in bands]
    items = [
        (_swatch(band), f"{number} {band.name}") for number, band in enumerate(bands[:NAMED], 1)
    ]
    more = len(bands) - NAMED
    return [*items, ("band", f"and {more} more, in the table")] if more > 0 else items


def _swatch(band: Band) -> str:
    return "alert" if band.kind == "alert" else "band"
