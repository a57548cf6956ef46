"""Text for pages: Markdown made safe, digests and durations as people read them."""

from __future__ import annotations

import re
from itertools import count

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "div", "em", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "table": {"class"},
}
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").enable("strikethrough")


def markdown(text: str) -> SafeString:
    """Return sanitised HTML.

    Headings start at level 2, because the page has its own level 1; tables scroll.
    """
    html = MARKDOWN.render(str(text))
    for level in (3, 2, 1):  # a brief's '# Title' becomes h2, and so on
        html = html.replace(f"<h{level}>", f"<h{level + 1}>").replace(
            f"</h{level}>", f"</h{level + 1}>"
        )
    number = count(1)  # two regions of a page may not have the same name
    opening = '<div class="table-wrap" tabindex="0" role="region" aria-label="Table {}"><table class="table">'
    html = re.sub("<table>", lambda _: opening.format(next(number)), html).replace(
        "</table>", "</table></div>"
    )
    html = html.replace("<pre>", '<div class="code"><pre>').replace("</pre>", "</pre></div>")
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        attribute_filter=_whole_address,
    )
    clean = clean.replace("<pre>", '<pre tabindex="0">')
    return mark_safe(clean)  # noqa: S308  sanitised in the line above


def _whole_address(tag: str, name: str, value: str) -> str | None:
    """Drop links that begin with two slashes: they look like a place on this site and lead to
    another.
    """
    leads_away = tag == "a" and name == "href" and re.match(r"[\s\\/]*[\\/]\s*[\\/]", value)
    return None if leads_away else value


def short_digest(text: str) -> str:
    """Return both ends of a hex digest, grouped by four; other texts unchanged."""
    kind, colon, value = str(text or "").rpartition(":")
    if len(value) < 20:
        return str(text or "")
    return f"{kind}{colon}{value[:4]} {value[4:8]} … {value[-4:]}"


def duration(seconds: float | None) -> str:
    """Return seconds in words of units, with non-breaking spaces."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        text = f"{max(0.0, seconds):.1f} s"
    elif seconds < 60:
        text = f"{seconds:.0f} s"
    elif seconds < 3600:
        text = f"{int(seconds) // 60} min {int(seconds) % 60} s"
    else:
        text = f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
