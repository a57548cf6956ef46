"""Small filters of the run pages."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds: 1:52. Empty for None."""
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@register.filter
def ordinal_line(place: int) -> str:
    """A place in the queue in words: 'Next in line', 'Third in line', '11th in line'."""
    words = {1: "Next", 2: "Second", 3: "Third", 4: "Fourth", 5: "Fifth"}
    return f"{words.get(place, f'Number {place}')} in line"
