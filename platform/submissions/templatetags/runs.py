"""Small filters of the run pages."""

from __future__ import annotations

import re

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

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


_AFTER_VALUE = re.compile(r"(?= \[[\d.+\-–∞])|(?=, )|(?=; )|(?<=[.!?])(?= )")


@register.filter
def measured(text: str) -> SafeString:
    """A measured value in words, with the value itself apart from interval, sample size and
    remarks.
    """
    value, *rest = _AFTER_VALUE.split(text.replace("n = ", "n\u00a0=\u00a0"), maxsplit=1)
    return (
        format_html("{}<span>{}</span>", value, "".join(rest)) if rest else format_html("{}", value)
    )
