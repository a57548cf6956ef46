"""Template tags and text: escaped, sanitised, complete."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.template import Context, Template

from webui import icons, text_render
from webui.templatetags.webui import moment


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize("outcome", icons.WORDS)
def test_each_outcome_has_a_word_and_a_shape_of_its_own(outcome: str) -> None:
    html = render("{% badge o %}", o=outcome)
    assert icons.WORDS[outcome] in html
    assert f'href="#i-{outcome}"' in html
    assert list(icons.ICONS.values()).count(icons.ICONS[outcome]) == 1


def test_badges_take_a_style_and_another_word() -> None:
    html = render("{% badge 'passed' 'plain' word='Passed, 95 of 100' %}")
    assert 'class="badge badge--plain"' in html
    assert "Passed, 95 of 100" in html


def test_an_unknown_icon_is_an_error() -> None:
    with pytest.raises(KeyError, match="no icon"):
        icons.icon("nope")


def test_code_is_escaped() -> None:
    html = render("{% code t x %}", t="A & B", x="<script>\n")
    assert "&lt;script&gt;" in html
    assert "A &amp; B" in html
    assert 'tabindex="0"' in html


NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    '<a href="x" style="position:fixed">x</a>',
    "<iframe src=//evil.example></iframe>",
    '[x](https://a.example "\\" onmouseover=alert(1) \\"")',
]


@pytest.mark.parametrize("text", NASTY)
def test_markdown_of_strangers_is_harmless(text: str) -> None:
    html = text_render.markdown(text)
    for tag in re.findall(r"<[^>]*>", html):
        # inside quotes everything is text; outside them nothing of the attacker may be left
        bare = re.sub(r'"[^"]*"', '""', tag)
        assert not re.search(r"script|iframe|img|style|\son\w+=", bare, re.IGNORECASE), tag
        assert not re.search(r'href="(javascript|data):', tag), tag


def test_markdown_headings_start_below_the_page() -> None:
    html = text_render.markdown("# One\n\n## Two\n\n### Three")
    assert "<h1" not in html
    assert "<h2>One</h2>" in html
    assert "<h3>Two</h3>" in html
    assert "<h4>Three</h4>" in html


def test_wide_tables_and_code_can_be_scrolled_by_keyboard() -> None:
    html = text_render.markdown("|a|b|\n|-|-|\n|1|2|\n\n```\nx\n```")
    assert re.search(r'<div[^>]*class="table-wrap"[^>]*>', html)
    assert html.count('tabindex="0"') == 2


def test_regions_have_names_of_their_own() -> None:
    table = "|a|b|\n|-|-|\n|1|2|\n\n"
    html = text_render.markdown(table + "text\n\n" + table)
    assert re.findall(r'aria-label="([^"]+)"', html) == ["Table 1", "Table 2"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.42, "0.4 s"),
        (22, "22 s"),
        (59.6, "60 s"),
        (141, "2 min 21 s"),
        (3840, "1 h 4 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert text_render.duration(seconds) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_digests_show_both_ends() -> None:
    assert (
        text_render.short_digest("sha256:51e09b7f" + "0" * 52 + "a83c") == "sha256:51e0 9b7f … a83c"
    )
    assert text_render.short_digest("short") == "short"


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example", " //evil.example"],
)
def test_links_that_look_like_ours_lead_nowhere_else(target: str) -> None:
    html = text_render.markdown(f"[here](<{target}>) [fine](/labs/) [out](https://ok.example)")
    assert not re.search(r'href="[\\/]{2}', html)
    assert 'href="/labs/"' in html
    assert 'href="https://ok.example"' in html


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("day", "2 Jan"),
        ("date", "2 Jan 2026"),
        ("short", "2 Jan, 03:04 UTC"),
        ("full", "2 Jan 2026, 03:04 UTC"),
        ("time", "03:04:05 UTC"),
    ],
)
def test_a_moment_says_its_zone(style: str, text: str) -> None:
    at = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert (
        moment(at, style)
        == f'<time datetime="2026-01-02T05:04:05+02:00" data-moment="{style}">{text}</time>'
    )
    assert moment(None) == ""
