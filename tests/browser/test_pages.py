"""Every page of the foundation in real Chromium: axe finds nothing, nothing overflows, and pictures for people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (1440, 390)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
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


def look(browser: Browser, url: str, name: str, pictures: Path, cookies: Any, themes: tuple[str, ...] = THEMES) -> None:
    """Visit the page at both widths in both themes; fail on axe's findings, overflow, script errors, policy breaks."""
    problems: list[str] = []

    def fail(error: Any) -> None:
        problems.append(f"script: {error}")

    def hear(message: Any) -> None:
        if message.type == "error" and "status of 404" not in message.text:
            problems.append(f"console: {message.text}")

    for theme in themes:
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", bypass_csp=True
            )
            context.add_cookies(cookies)
            page = context.new_page()
            page.on("pageerror", fail)
            page.on("console", hear)
            page.goto(url)
            page.evaluate("document.fonts.ready")
            page.screenshot(path=str(pictures / f"{name}-{width}-{theme}.png"), full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                problems.append(f"{width} {theme}: {wide} px too wide")
            problems += [f"{width} {theme}: {v}" for v in violations(page)]
            context.close()
    assert not problems, "\n".join(problems)


def session(client: Any, user: Any, live_server: Any) -> list[dict[str, str]]:
    """Return the cookie of a signed-in user."""
    if user is None:
        return []
    client.force_login(user)
    return [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]


VISITOR = {
    "home": "/",
    "status": "/status/",
    "signin": "/accounts/login/",
    "signup": "/accounts/signup/",
    "reset": "/accounts/password/reset/",
    "reset-done": "/accounts/password/reset/done/",
    "not-found": "/no-such-page",
    "first-ended": "/first/none/",
}


@pytest.mark.parametrize("name", VISITOR)
def test_pages_for_visitors(chromium, live_server, pictures: Path, name: str) -> None:
    look(chromium, live_server.url + VISITOR[name], name, pictures, [])


def test_front_page_with_a_published_run(chromium, live_server, pictures: Path, ada, graded, published) -> None:
    published(graded(ada))
    look(chromium, live_server.url + "/", "home-real", pictures, [])


def test_paused_grading(chromium, live_server, pictures: Path, settings) -> None:
    state = '{"ready": false, "message": "The container engine does not answer.", "advice": "Start Docker."}'
    (settings.SEATRIAL_HOME / "engine.json").write_text(state)
    look(chromium, live_server.url + "/status/", "paused", pictures, [])


def test_first_instructor(chromium, live_server, pictures: Path) -> None:
    from accounts.models import FirstLink

    look(chromium, f"{live_server.url}/first/{FirstLink.make()}/", "first", pictures, [])


def test_the_public_portfolio(chromium, live_server, pictures: Path, ada, graded, published) -> None:
    graded(ada, "failed")
    entry = published(graded(ada))
    look(chromium, f"{live_server.url}/p/ada/", "portfolio", pictures, [])
    look(chromium, f"{live_server.url}/p/ada/{entry.pk}/", "evidence", pictures, [])


def test_the_own_portfolio(chromium, live_server, pictures: Path, client, ada, graded, published) -> None:
    published(graded(ada))
    published(graded(ada, "failed"))
    cookies = session(client, ada, live_server)
    look(chromium, f"{live_server.url}/portfolio/", "portfolio-settings", pictures, cookies)
    look(chromium, f"{live_server.url}/p/ada/", "portfolio-own", pictures, cookies)
    look(chromium, f"{live_server.url}/accounts/password/change/", "change-password", pictures, cookies)


def test_an_empty_portfolio(chromium, live_server, pictures: Path, client, ada, lab) -> None:
    look(chromium, f"{live_server.url}/portfolio/", "portfolio-empty", pictures, session(client, ada, live_server))


def test_the_policy_holds_in_the_browser(chromium, live_server, ada, graded, published) -> None:
    """Without the bypass: style and script from the site alone, and nothing on the page is refused."""
    entry = published(graded(ada))
    context = chromium.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    for address in ("/", f"/p/ada/{entry.pk}/", "/accounts/login/"):
        page.goto(live_server.url + address)
        page.wait_for_load_state("networkidle")
    assert not refused
    assert re.match(r"rgb", page.evaluate("getComputedStyle(document.body).color"))
    assert page.evaluate("typeof htmx") == "object"
    context.close()


def test_errors_of_a_form_and_the_theme_by_keyboard(chromium, live_server, pictures: Path, ada) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(live_server.url + "/accounts/login/")
    page.get_by_label("Handle or e-mail").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    page.screenshot(path=str(pictures / "signin-error-390.png"), full_page=True)
    page.get_by_label("Password").fill("a-long-enough-word-9")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(live_server.url + "/status/")
    page.locator(".menu > summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('html[data-theme="dark"]')
    page.locator(".menu > summary").focus()
    page.keyboard.press("Enter")
    page.screenshot(path=str(pictures / "menu-390.png"))
    page.keyboard.press("Escape")
    assert not page.locator(".menu").get_attribute("open")
    context.close()


def test_pages_of_labs(chromium, live_server, pictures: Path) -> None:
    """With the real content of the repository."""
    from django.core.management import call_command

    from labs.models import Lab

    call_command("lab_sync")
    look(chromium, f"{live_server.url}/labs/", "labs", pictures, [])
    for lab in Lab.objects.exclude(current=None)[:2]:
        look(chromium, live_server.url + lab.get_absolute_url(), f"lab-{lab.slug}", pictures, [], ("light",))


def test_pages_of_runs(chromium, live_server, pictures: Path, client, ada, ivan, graded) -> None:
    graded(ada, "passed")
    failed = graded(ada, "failed")
    queued = graded(ada, "", state="queued", score=None, started_at=None, finished_at=None)
    cookies = session(client, ada, live_server)
    look(chromium, f"{live_server.url}/runs/", "runs", pictures, cookies)
    look(chromium, live_server.url + failed.get_absolute_url(), "run-failed", pictures, cookies)
    look(chromium, live_server.url + queued.get_absolute_url(), "run-queued", pictures, cookies, ("light",))
    look(chromium, f"{live_server.url}/teach/", "teach", pictures, session(client, ivan, live_server), ("dark",))
