"""Chromium for tests:

Debian's browser, axe, pictures, and a look at a page in both themes and at every width.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

AXE = Path(__file__).parents[1] / "browser/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (1440, 390)
NARROW = 320
"""Nothing may need sideways scrolling here either (WCAG 1.4.10); no picture is taken."""
THEMES = ("light", "dark")


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def picture_folder(tmp_path: Path) -> Path:
    """Where pictures go: ``SEATRIAL_SCREENSHOTS`` keeps them."""
    folder = Path(os.environ.get("SEATRIAL_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def violations(page: Page) -> list[str]:
    """Run axe in the page, past its policy, and return what it found as 'rule: selector'."""
    page.evaluate("(source) => { new Function(source)() }", AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate(
        """async (tags) => (await axe.run({runOnly: tags})).violations.flatMap(
            (v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")} ${n.any[0] ? n.any[0].message : ""}`))""",
        tags,
    )
    return list(found)


EVENTS = re.compile(r"/runs/\d+/events")


def no_events(route: Route) -> None:
    """A stream with nothing in it: under the tests' server a real one would hold its thread for
    minutes.
    """
    route.fulfill(status=200, content_type="text/event-stream", body="retry: 600000\n\n")


def look(
    browser: Browser,
    url: str,
    name: str,
    pictures: Path,
    cookies: Any,
    themes: tuple[str, ...] = THEMES,
    expected: int = 0,
) -> None:
    """Visit the page at both widths in both themes; fail on axe's findings, overflow, script
    errors, policy breaks.

    ``expected``: the status, when it matters.
    """
    problems: list[str] = []

    def fail(error: Any) -> None:
        problems.append(f"script: {error}")

    def hear(message: Any) -> None:
        own_status = (
            "Failed to load resource" in message.text and message.location.get("url") == url
        )
        if message.type == "error" and not own_status:
            problems.append(f"console: {message.text}")

    for theme in themes:
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
                reduced_motion="reduce",
                bypass_csp=True,
            )
            context.add_cookies(cookies)
            context.route(EVENTS, no_events)
            page = context.new_page()
            page.on("pageerror", fail)
            page.on("console", hear)
            answer = page.goto(url)
            if expected and (answer is None or answer.status != expected):
                problems.append(
                    f"answered {answer.status if answer else 'nothing'}, expected {expected}"
                )
            page.evaluate("document.fonts.ready")
            page.screenshot(path=str(pictures / f"{name}-{width}-{theme}.png"), full_page=True)
            problems += [f"{theme}: {said}" for said in too_wide(page, width)]
            problems += [f"{width} {theme}: {v}" for v in violations(page)]
            if width == min(WIDTHS):
                page.set_viewport_size({"width": NARROW, "height": 800})
                problems += [f"{theme}: {said}" for said in too_wide(page, NARROW)]
            context.close()
    assert not problems, "\n".join(problems)


def too_wide(page: Page, width: int) -> list[str]:
    over = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [f"{over} px too wide at {width}"] if over > 0 else []


def session(client: Any, user: Any, live_server: Any) -> list[dict[str, str]]:
    """Return the cookie of a signed-in user."""
    if user is None:
        return []
    client.force_login(user)
    return [
        {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    ]


FOCUSED = """(() => { const e = document.activeElement;
    return (e.innerText || '') + ' ' + (e.name || '') + ' ' + (e.getAttribute('aria-label') || ''); })()"""
FOCUS_SHOWS = """(() => { const e = document.activeElement, s = (x) => getComputedStyle(x);
    return [e, e.closest('label')].filter(Boolean).some(
        (x) => s(x).outlineStyle !== 'none' || s(x).boxShadow !== 'none'); })()"""


def tab_to(page: Page, text: str, most: int = 80) -> None:
    """Press Tab until the focus is on what has this text, name or label; it must be seen there."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if text.lower() in page.evaluate(FOCUSED).lower():
            assert page.evaluate(FOCUS_SHOWS), f"the focus on {text!r} can't be seen"
            return
    raise AssertionError(f"no Tab leads to {text!r}")
