"""The icons, 16 units square, drawn with strokes. Each outcome has its own silhouette."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

ICONS = {
    "passed": '<circle cx="8" cy="8" r="6.3"/><path d="m5.2 8.2 2 2 3.6-4.2"/>',
    "failed": '<path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z"/>'
    '<path d="m5.9 5.9 4.2 4.2m0-4.2-4.2 4.2"/>',
    "inconclusive": '<circle cx="8" cy="8" r="6.3" stroke-dasharray="2.4 1.55"/>'
    '<path d="M5.2 8.7c.9-1.6 1.9-1.6 2.8-.7s1.9.9 2.8-.7"/>',
    "skipped": '<path d="M2.2 8h8.2M7.4 4.9 10.5 8l-3.1 3.1M13.6 3.5v9"/>',
    "running": '<path d="M8 1.7A6.3 6.3 0 1 1 1.7 8"/>',
    "queued": '<circle cx="8" cy="8" r="6.3"/><path d="M8 4.4V8l2.4 1.5"/>',
    "pending": '<circle cx="8" cy="8" r="5.2" stroke-dasharray="1.6 1.7"/>',
    "errored": '<path d="M8 1.9 14.6 13.6H1.4z"/><path d="M8 6.3v3.2m0 2v.1"/>',
    "not_gradable": '<rect x="2" y="2" width="12" height="12" rx="2"/><path d="M5 8h6"/>',
    "cancelled": '<circle cx="8" cy="8" r="6.3"/><path d="M6 6h4v4H6z"/>',
    "gate": '<rect x="3" y="7" width="10" height="7" rx="1.5"/><path d="M5.2 7V4.9a2.8 2.8 0 0 1 5.6 0V7"/>',
    "chev": '<path d="m6 3.5 4.5 4.5L6 12.5"/>',
    "copy": '<rect x="5.5" y="5.5" width="8.5" height="8.5" rx="1.5"/>'
    '<path d="M10.5 3.2A1.4 1.4 0 0 0 9.1 2H3.5A1.5 1.5 0 0 0 2 3.5v5.6a1.4 1.4 0 0 0 1.2 1.4"/>',
    "down": '<path d="M8 2v8.2M4.6 7 8 10.4 11.4 7M2.5 13.5h11"/>',
    "up": '<path d="M8 11V2.6M4.6 6 8 2.6 11.4 6M2.5 13.5h11"/>',
    "shield": '<path d="M8 1.6 13.4 3.6v4c0 3.3-2.2 5.7-5.4 6.8-3.2-1.1-5.4-3.5-5.4-6.8v-4z"/>'
    '<path d="m5.6 7.9 1.8 1.8 3-3.6"/>',
    "again": '<path d="M13.5 3v3.4h-3.4M2.5 13V9.6h3.4"/>'
    '<path d="M13.2 6.4A5.6 5.6 0 0 0 3.2 5M2.8 9.6a5.6 5.6 0 0 0 10 1.4"/>',
    "user": '<circle cx="8" cy="5.4" r="2.9"/><path d="M2.6 14c.5-3 2.6-4.6 5.4-4.6s4.9 1.6 5.4 4.6"/>',
    "info": '<circle cx="8" cy="8" r="6.3"/><path d="M8 7.4v3.6M8 5v.1"/>',
    "file": '<path d="M9.2 1.8H4.4A1.4 1.4 0 0 0 3 3.2v9.6a1.4 1.4 0 0 0 1.4 1.4h7.2a1.4 1.4 0 0 0 1.4-1.4V5.6z"/>'
    '<path d="M9.2 1.8v3.8H13"/>',
    "stop": '<rect x="3.5" y="3.5" width="9" height="9" rx="1.5"/>',
    "link": '<path d="M6.6 9.4a2.7 2.7 0 0 0 3.9 0l2.2-2.2a2.75 2.75 0 0 0-3.9-3.9l-.7.7'
    'M9.4 6.6a2.7 2.7 0 0 0-3.9 0L3.3 8.8a2.75 2.75 0 0 0 3.9 3.9l.7-.7"/>',
}

WORDS = {
    "passed": "Passed",
    "failed": "Failed",
    "inconclusive": "Inconclusive",
    "skipped": "Skipped",
    "running": "Running",
    "queued": "Queued",
    "not_gradable": "Not gradable",
    "errored": "Errored",
    "cancelled": "Cancelled",
    "pending": "Not started",
}
"""The word of each outcome, as the badge shows it."""


def icon(name: str) -> SafeString:
    """Return a use of the icon.

    Raises KeyError for a name that does not exist, so a typing error is seen.
    """
    if name not in ICONS:
        raise KeyError(f"There is no icon {name!r}. The icons are {', '.join(sorted(ICONS))}.")
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


def sprite() -> SafeString:
    """Return the hidden svg that holds every icon. It stands once, at the top of ``<body>``."""
    symbols = format_html_join(
        "",
        '<symbol id="i-{}" viewBox="0 0 16 16">{}</symbol>',
        ((name, mark_safe(paths)) for name, paths in ICONS.items()),  # noqa: S308  our own constants
    )
    return format_html("<svg hidden>{}</svg>", symbols)


def badge(outcome: str, style: str = "", word: str = "") -> SafeString:
    """Return the badge of an outcome or a state.

    ``style``: '', 'plain' or 'big'; ``word`` replaces the text.
    """
    outcome = str(outcome or "pending")
    css = f"badge badge--{style}" if style else "badge"
    return format_html(
        '<span class="{}" data-outcome="{}">{}{}</span>',
        css,
        outcome,
        icon(outcome),
        word or WORDS[outcome],
    )


def gate() -> SafeString:
    """Return the mark of a criterion that caps the score when it fails."""
    return format_html('<span class="gate">{}Gate</span>', icon("gate"))
