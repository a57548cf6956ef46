"""Template tags of the look. Every page may use them without loading: they are built in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, PasswordInput
from django.utils.dateformat import format as date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from grader.result import Series
from webui import icons, text_render
from webui.plots import bars, histogram, marks, parts, timeline
from webui.plots.data import Band, plot_data

register = template.Library()

register.simple_tag(icons.icon, name="icon")
register.simple_tag(icons.sprite, name="icon_sprite")
register.simple_tag(icons.badge, name="badge")
register.simple_tag(icons.gate, name="gate")


@register.simple_tag
def code(title: str, text: str, style: str = "") -> SafeString:
    """Render a block of code with a copy button.

    ``style``: '', 'flat' or 'wrap'. The text is escaped.
    """
    css = f"code code--{style}" if style else "code"
    return format_html(
        '<div class="{}"><div class="code__head"><span>{}</span><button class="btn btn--small" type="button" data-copy '
        'hidden>{}Copy<span class="sr"> {}</span></button></div><pre tabindex="0" role="region" aria-label="{}">'
        "<code>{}</code></pre></div>",
        css,
        title,
        icons.icon("copy"),
        title,
        title,
        str(text).strip("\n"),
    )


@register.inclusion_tag("webui/tags/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Render a form field: label, control, hint, errors, and the links between them for screen
    readers.
    """
    about = [f"{bound.auto_id}-h"] if bound.help_text else []
    attrs: dict[str, Any] = {}
    is_check = isinstance(bound.field.widget, CheckboxInput)
    if not is_check:
        attrs["class"] = "input"
    if bound.errors:
        about.append(f"{bound.auto_id}-e")
        attrs["aria-invalid"] = "true"
    if about:
        attrs["aria-describedby"] = " ".join(about)
    is_secret = isinstance(bound.field.widget, PasswordInput)
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attrs),
        "is_check": is_check,
        "is_secret": is_secret,
    }


@register.simple_tag
def gauge(measured: Any, rule: Any) -> SafeString:
    """Draw what was measured against its rule. Both may be values of the grader or their JSON."""
    return marks.gauge(measured, rule)


@register.simple_tag
def scale(results: Sequence[Any], pass_score: float = 70, gate_cap: float = 40) -> SafeString:
    """Draw the ruler of draft marks: results of the criteria, the score to pass, the cap of a
    failed gate.
    """
    return marks.scale(results, pass_score, gate_cap)


@register.simple_tag
def two_histograms(series: Series | Mapping[str, Any]) -> SafeString:
    return histogram.two_histograms(plot_data(series), parts.new_id())


@register.simple_tag
def timeline_plot(series: Series | Mapping[str, Any], bands: Sequence[Band] = ()) -> SafeString:
    return timeline.timeline_plot(plot_data(series), parts.new_id(), bands)


@register.simple_tag
def bars_plot(series: Series | Mapping[str, Any]) -> SafeString:
    return bars.bars_plot(plot_data(series), parts.new_id())


DRAW = {
    "histogram": histogram.two_histograms,
    "timeline": timeline.timeline_plot,
    "bars": bars.bars_plot,
}


@register.simple_tag(name="plot")
def any_plot(series: Series | Mapping[str, Any], you: str = "Your system") -> SafeString:
    """Draw a series by its kind.

    A kind that is not known draws nothing; its summary still stands in the message.
    """
    data = plot_data(series, you)
    draw = DRAW.get(data.kind)
    return draw(data, parts.new_id()) if draw else SafeString("")


@register.filter
def markdown(text: str) -> SafeString:
    """Render Markdown as clean HTML.

    Safe for text of strangers: raw HTML is dropped, links are checked.
    """
    return text_render.markdown(text)


MOMENTS = {
    "day": "j M",
    "date": "j M Y",
    "short": "j M, H:i",
    "full": "j M Y, H:i",
    "time": "H:i:s",
}


@register.simple_tag
def moment(at: datetime | None, style: str = "full") -> str:
    """Render a time: in UTC, which it says, until the script writes it in the reader's own zone.

    ``style``: day, date, short, full or time. Empty for None.
    """
    if at is None:
        return ""
    text = date_format(at.astimezone(UTC), MOMENTS[style])
    zone = "" if style in ("day", "date") else " UTC"
    iso = at.isoformat(timespec="seconds")
    return format_html('<time datetime="{}" data-moment="{}">{}{}</time>', iso, style, text, zone)


@register.filter
def digest(text: str) -> str:
    """Shorten a digest to both ends: 'sha256:51e0 9b7f … a83c'.

    The full one belongs into a title or a file.
    """
    return text_render.short_digest(text)


@register.filter
def duration(seconds: float | None) -> str:
    """Write seconds as people do: '0.4 s', '22 s', '2 min 21 s', '1 h 4 min'. Empty for None."""
    return text_render.duration(seconds)


@register.filter
def points(number: float | None) -> str:
    """Write points without a needless decimal: '15', '12.5'."""
    return "–" if number is None else f"{number:.1f}".removesuffix(".0")
