"""The main job in a real browser, with the real worker, engine and model: with JavaScript, and
without.

Sign up, take a lab, download its starter, submit a project, follow the run, read the verdict,
publish it, and look at the public page from a window that is not signed in.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from site_up import ROOT, Up, free_port, processes_of

from grader.archive import pack_zip
from grader.engines.labels import LABEL_HELD
from grader.lab import load_lab
from grader.proving.prove import submission_snapshot

pytestmark = [pytest.mark.browser, pytest.mark.docker]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
RUN_S = 300
PASSWORD = "a-long-and-odd-passphrase"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("journey") / "home", free_port())
    try:
        up.wait_for("grading is ready", 600)
        yield up
    finally:
        if up.process.poll() is None:
            assert up.stop() == 0
    installation = (up.home / "installation").read_text().strip()
    client = docker.from_env()
    filters = {"label": f"seatrial.installation={installation}"}
    assert client.containers.list(all=True, filters=filters) == []
    assert client.volumes.list(filters=filters) == []
    images = client.images.list(all=True, filters=filters)
    assert [
        i.tags for i in images if LABEL_HELD not in i.labels
    ] == []  # a baseline is kept for the next run
    assert processes_of(up.home) == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def upload_of(lab: str, submission: str) -> dict[str, str | bytes]:
    """A proving submission of a lab as the file that a learner chooses."""
    snapshot = submission_snapshot(load_lab(ROOT / "content" / "labs" / lab), submission)
    return {
        "name": f"{submission}.zip",
        "mimeType": "application/zip",
        "buffer": pack_zip(snapshot.files),
    }


def sign_up(page: Page, site: Up, handle: str) -> None:
    page.goto(f"{site.url}/")
    page.goto(f"{site.url}/accounts/signup/")
    page.get_by_label("Handle").fill(handle)
    page.get_by_label("E-mail").fill(f"{handle}@example.org")
    page.locator("input[name=password1]").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url(re.compile(r"/labs/$"))


def take_starter(page: Page, lab: str) -> None:
    page.locator(f"a[href='/labs/{lab}/']").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Starter").first.click()
    data = Path(download.value.path()).read_bytes()
    assert "Dockerfile" in zipfile.ZipFile(io.BytesIO(data)).namelist()


def submit(page: Page, upload: dict[str, str | bytes]) -> None:
    page.locator("input[type=file]").set_input_files(upload)  # type: ignore[arg-type]
    page.get_by_role("button", name="Submit and grade").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+/"), timeout=20_000)


def publish_and_show(page: Page, browser: Browser, site: Up, handle: str, title: str) -> None:
    page.get_by_role("button", name=re.compile("^Publish")).click()
    page.goto(f"{site.url}/portfolio/")
    private = browser.new_context()
    visitor = private.new_page()
    assert visitor.goto(f"{site.url}/p/{handle}/").status == 404  # type: ignore[union-attr]
    page.locator("input[name=is_public]").check()
    page.get_by_role("button", name="Save").click()
    assert visitor.goto(f"{site.url}/p/{handle}/").status == 200  # type: ignore[union-attr]
    expect(visitor.get_by_text(title).first).to_be_visible()
    private.close()


def test_the_whole_journey(chromium: Browser, site: Up) -> None:
    context = chromium.new_context(accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    sign_up(page, site, "mara")
    take_starter(page, "rag-service")
    # A wrong archive first: it is refused in words, and costs no attempt.
    page.locator("input[type=file]").set_input_files(
        {"name": "notes.zip", "mimeType": "application/zip", "buffer": b"these are notes"}
    )
    page.get_by_role("button", name="Submit and grade").click()
    expect(page.get_by_role("alert")).to_contain_text("neither a zip nor a tar.gz")
    submit(page, upload_of("rag-service", "reference"))
    # The page is live: nobody reloads it from here to the verdict. A second window sees the same.
    second = context.new_page()
    second.goto(page.url)
    for window in (page, second):
        expect(window.locator(".verdict__score")).to_contain_text("100", timeout=RUN_S * 1000)
        expect(window.locator(".verdict [data-outcome=passed]").first).to_be_visible()
    publish_and_show(page, chromium, site, "mara", "Answers with evidence")
    assert problems == []
    context.close()


def test_the_journey_without_javascript(chromium: Browser, site: Up) -> None:
    context = chromium.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    sign_up(page, site, "noor")
    take_starter(page, "vector-search")
    submit(page, upload_of("vector-search", "wrong_own-score"))
    deadline = time.monotonic() + RUN_S
    while not page.locator(".verdict__score").count():
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        time.sleep(2)
        page.get_by_role("link", name="Refresh").first.click()
    expect(page.locator("#crit-recall")).to_contain_text("Failed")
    expect(page.locator("#crit-recall .next")).to_be_attached()
    publish_and_show(page, chromium, site, "noor", "Filtered ANN that does not lie")
    context.close()
