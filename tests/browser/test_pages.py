"""Every page of the foundation in real Chromium: axe finds nothing, nothing overflows, and pictures
for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium_kit import launched, look, picture_folder, session
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return picture_folder(tmp_path)


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


def test_front_page_with_a_published_run(
    chromium, live_server, pictures: Path, ada, graded, published
) -> None:
    published(graded(ada))
    look(chromium, live_server.url + "/", "home-real", pictures, [])


def test_paused_grading(chromium, live_server, pictures: Path, settings) -> None:
    state = '{"ready": false, "message": "The container engine does not answer.", "advice": "Start Docker."}'
    (settings.SEATRIAL_HOME / "engine.json").write_text(state)
    look(chromium, live_server.url + "/status/", "paused", pictures, [])


def test_first_instructor(chromium, live_server, pictures: Path) -> None:
    from accounts.models import FirstLink

    look(chromium, f"{live_server.url}/first/{FirstLink.make()}/", "first", pictures, [])


def test_the_public_portfolio(
    chromium, live_server, pictures: Path, ada, graded, published
) -> None:
    graded(ada, "failed")
    entry = published(graded(ada))
    look(chromium, f"{live_server.url}/p/ada/", "portfolio", pictures, [])
    look(chromium, f"{live_server.url}/p/ada/{entry.pk}/", "evidence", pictures, [])


def test_the_own_portfolio(
    chromium, live_server, pictures: Path, client, ada, graded, published
) -> None:
    published(graded(ada))
    published(graded(ada, "failed"))
    cookies = session(client, ada, live_server)
    look(chromium, f"{live_server.url}/portfolio/", "portfolio-settings", pictures, cookies)
    look(chromium, f"{live_server.url}/p/ada/", "portfolio-own", pictures, cookies)
    look(
        chromium,
        f"{live_server.url}/accounts/password/change/",
        "change-password",
        pictures,
        cookies,
    )


def test_an_empty_portfolio(chromium, live_server, pictures: Path, client, ada, lab) -> None:
    look(
        chromium,
        f"{live_server.url}/portfolio/",
        "portfolio-empty",
        pictures,
        session(client, ada, live_server),
    )


def test_the_policy_holds_in_the_browser(chromium, live_server, ada, graded, published) -> None:
    """Without the bypass: style and script from the site alone, and nothing on the page is
    refused.
    """
    entry = published(graded(ada))
    context = chromium.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on(
        "console", lambda message: refused.append(message.text) if message.type == "error" else None
    )
    for address in ("/", f"/p/ada/{entry.pk}/", "/accounts/login/"):
        page.goto(live_server.url + address)
        page.wait_for_load_state("networkidle")
    assert not refused
    assert re.match(r"rgb", page.evaluate("getComputedStyle(document.body).color"))
    assert page.evaluate("typeof htmx") == "object"
    context.close()


def test_errors_of_a_form_and_the_theme_by_keyboard(
    chromium, live_server, pictures: Path, ada
) -> None:
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
        look(
            chromium,
            live_server.url + lab.get_absolute_url(),
            f"lab-{lab.slug}",
            pictures,
            [],
            ("light",),
        )


def test_pages_of_runs(chromium, live_server, pictures: Path, client, ada, ivan, graded) -> None:
    graded(ada, "passed")
    failed = graded(ada, "failed")
    queued = graded(ada, "", state="queued", score=None, started_at=None, finished_at=None)
    cookies = session(client, ada, live_server)
    look(chromium, f"{live_server.url}/runs/", "runs", pictures, cookies)
    look(chromium, live_server.url + failed.get_absolute_url(), "run-failed", pictures, cookies)
    look(chromium, live_server.url + queued.get_absolute_url(), "run-queued", pictures, cookies)
    cookies = session(client, ivan, live_server)
    look(chromium, f"{live_server.url}/teach/", "teach", pictures, cookies, ("dark",))
