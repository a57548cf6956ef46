"""Template tags of the look. Every page may use them without loading: they are built in."""

from __future__ import annotations

from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webui import icons

register = template.Library()

register.simple_tag(icons.icon, name="icon")
register.simple_tag(icons.sprite, name="icon_sprite")
register.simple_tag(icons.badge, name="badge")
register.simple_tag(icons.gate, name="gate")


@register.simple_tag
def code(title: str, text: str, style: str = "") -> SafeString:
    """Render a block of code with a copy button. ``style``: '', 'flat' or 'wrap'. The text is escaped."""
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
    """Render a form field: label, control, hint, errors, and the links between them for screen readers."""
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
    return {"field": bound, "control": bound.as_widget(attrs=attrs), "is_check": is_check}
