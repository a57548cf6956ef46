"""The pages in the states that people meet: every way a run can end, one that goes on, nothing
there, a refusal.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium_kit import launched, look, picture_folder, session, tab_to, violations
from django.urls import path
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OVER: dict[str, dict[str, Any]] = {
    "passed": {"verdict": "passed"},
    "gate": {"verdict": "failed", "score": 40},
    "inconclusive": {"verdict": "inconclusive"},
    "errored": {
        "verdict": "errored",
        "score": None,
        "reason": "A check failed in itself.",
        "advice": "Grade again.",
    },
    "not-gradable": {
        "verdict": "not_gradable",
        "score": None,
        "reason": "Nothing listens on port 8080; your service listens on 0.0.0.0:5000.",
        "advice": "Listen on 0.0.0.0 and on the port in $PORT (here 8080).",
    },
    "cancelled": {"verdict": "", "state": "cancelled", "score": None},
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return picture_folder(tmp_path)


@pytest.mark.parametrize("name", OVER)
def test_runs_that_are_over(
    chromium, live_server, pictures: Path, client, ada, graded, name: str
) -> None:
    changes = dict(OVER[name])
    run = graded(ada, changes.pop("verdict"), **changes)
    if name in ("errored", "not-gradable", "cancelled"):
        run.check_results.all().delete()
    if name == "gate":
        gate = run.check_results.get(criterion="contract")
        gate.outcome, gate.points = "failed", 0
        gate.payload |= {
            "outcome": "failed",
            "points": 0,
            "advice": "Answer 422 when the text is missing.",
        }
        gate.save()
    if name == "inconclusive":
        ratio = run.check_results.get(criterion="throughput")
        ratio.outcome, ratio.points = "inconclusive", 0
        ratio.payload |= {"outcome": "inconclusive", "points": 0}
        ratio.save()
    look(
        chromium,
        live_server.url + run.get_absolute_url(),
        f"run-{name}",
        pictures,
        session(client, ada, live_server),
    )


def test_a_run_that_goes_on(chromium, live_server, pictures: Path, client, ada, graded) -> None:
    from grader.events import CheckStarted, LogLine, PhaseFinished, PhaseStarted
    from submissions.recorder import Recorder

    run = graded(ada, "", state="running", score=None, finished_at=None, fence=1)
    run.check_results.exclude(criterion="contract").delete()
    writer = Recorder(run.pk, 1)
    for phase in ("build", "deploy", "ready"):
        writer.record(PhaseStarted(phase=phase))
        writer.record(LogLine(source="build", text=f"{phase}: " + "a long line of the log " * 8))
        writer.record(PhaseFinished(phase=phase, ok=True, seconds=1.5))
    writer.record(PhaseStarted(phase="grade"))
    writer.record(CheckStarted(criterion="throughput"))
    writer.flush()
    look(
        chromium,
        live_server.url + run.get_absolute_url(),
        "run-live",
        pictures,
        session(client, ada, live_server),
    )


def test_pages_with_nothing_on_them(
    chromium, live_server, pictures: Path, client, ada, ivan
) -> None:
    cookies = session(client, ada, live_server)
    look(chromium, f"{live_server.url}/runs/", "runs-empty", pictures, cookies)
    look(chromium, f"{live_server.url}/labs/", "labs-empty", pictures, cookies)
    look(
        chromium,
        f"{live_server.url}/teach/",
        "teach-empty",
        pictures,
        session(client, ivan, live_server),
    )


def test_a_page_that_is_not_for_you(
    chromium, live_server, pictures: Path, client, ada, lab
) -> None:
    assert client.get("/labs/").status_code == 200
    cookies = session(client, ada, live_server)
    assert client.get("/teach/").status_code == 403
    look(chromium, f"{live_server.url}/teach/", "forbidden", pictures, cookies, expected=403)


def test_a_page_that_broke(chromium, live_server, pictures: Path, settings, monkeypatch) -> None:
    def broken(_request):
        raise RuntimeError("a defect of ours")

    urls = types.ModuleType("broken_urls")
    urls.__dict__.update(vars(importlib.import_module(settings.ROOT_URLCONF)))
    urls.urlpatterns = [path("broken/", broken), *urls.urlpatterns]
    monkeypatch.setitem(sys.modules, "broken_urls", urls)
    settings.ROOT_URLCONF = "broken_urls"
    look(chromium, f"{live_server.url}/broken/", "broken", pictures, [], expected=500)


def test_what_a_reviewer_sees(
    chromium, live_server, pictures: Path, client, ada, rita, graded, published
) -> None:
    entry = published(graded(ada))
    cookies = session(client, rita, live_server)
    look(
        chromium, live_server.url + entry.get_absolute_url(), "evidence-reviewer", pictures, cookies
    )


FORMS = {
    "signup": (
        "/accounts/signup/",
        {"username": "ada", "email": "no address", "password1": "short"},
    ),
    "login": ("/accounts/login/", {"login": "nobody", "password": "wrong"}),
    "reset": ("/accounts/password/reset/", {"email": "no address"}),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forms_with_errors(
    chromium, live_server, pictures: Path, ada, name: str, theme: str
) -> None:
    address, values = FORMS[name]
    context = chromium.new_context(
        viewport={"width": 390, "height": 900},
        color_scheme=theme,
        reduced_motion="reduce",
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto(live_server.url + address)
    page.evaluate("document.querySelector('main form').noValidate = true")
    for field, value in values.items():
        page.locator(f"main [name={field}]").fill(value)
    page.locator("main form button[type=submit]").first.click()
    page.locator("main [role=alert]").first.wait_for()
    page.screenshot(path=str(pictures / f"{name}-errors-390-{theme}.png"), full_page=True)
    assert not violations(page)
    context.close()


def test_an_instructor_sees_what_proves_a_version(
    chromium, live_server, pictures: Path, client, ivan
) -> None:
    from django.core.management import call_command

    from labs.models import LabVersion

    call_command("lab_sync")
    version = LabVersion.objects.get(lab_id="rag-service")
    cookies = session(client, ivan, live_server)
    look(
        chromium,
        f"{live_server.url}/teach/versions/{version.pk}/",
        "teach-version",
        pictures,
        cookies,
    )


def test_a_regrade_before_it_is_published(
    chromium, live_server, pictures: Path, client, ada, ivan, rita, graded
) -> None:
    from submissions import regrading
    from submissions.models import CheckResult

    for person, verdict in ((ada, "failed"), (rita, "passed")):
        graded(person, verdict, grader_version="0.0.9")
    version = graded(ivan, "passed", grader_version="0.0.9").lab_version
    batch = regrading.start(version, ivan)
    for number, run in enumerate(batch.runs.order_by("pk")):
        passed = number != 1
        for old in run.replaces.check_results.all():
            outcome = "passed" if passed else "failed"
            payload = {
                **old.payload,
                "outcome": outcome,
                "message": "61 of 61 requests were answered as specified.",
            }
            CheckResult.objects.create(
                run=run, criterion=old.criterion, outcome=outcome, points=1, payload=payload
            )
        run.state, run.verdict, run.score = (
            "finished",
            "passed" if passed else "failed",
            100 if passed else 40,
        )
        run.save()
    look(
        chromium,
        live_server.url + batch.get_absolute_url(),
        "regrade",
        pictures,
        session(client, ivan, live_server),
    )


def test_a_refused_archive_and_the_next_choice(
    chromium, live_server, pictures: Path, client, ada, tmp_path
) -> None:
    """The reason stands on the page, and the zone that came with it still shows the name of the
    next file.
    """
    from django.core.management import call_command

    call_command("lab_sync")
    wrong, right = tmp_path / "notes.zip", tmp_path / "project-2.zip"
    wrong.write_bytes(b"no archive")
    right.write_bytes(b"no archive either")
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, bypass_csp=True, reduced_motion="reduce"
    )
    context.add_cookies(session(client, ada, live_server))
    page = context.new_page()
    page.goto(f"{live_server.url}/labs/rag-service/")
    page.locator("input[type=file]").set_input_files(wrong)
    page.wait_for_function(
        "document.querySelector('[data-file-name]').textContent.includes('notes.zip')"
    )
    page.get_by_role("button", name=re.compile("Submit and grade")).click()
    page.locator("#submit-form [role=alert]").wait_for()
    page.screenshot(path=str(pictures / "refused-1440-light.png"), full_page=True)
    assert not violations(page)
    page.locator("input[type=file]").set_input_files(right)
    page.wait_for_function(
        "document.querySelector('[data-file-name]').textContent.includes('project-2.zip')"
    )
    context.close()


def test_from_sign_up_to_the_upload_by_keyboard_alone(chromium, live_server, lab) -> None:
    """Tab reaches everything that is needed, and what has the focus can be seen."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()

    page.goto(f"{live_server.url}/accounts/signup/")
    for field, value in (
        ("username", "grace"),
        ("email", "grace@example.org"),
        ("password1", "a-long-enough-word-9"),
    ):
        tab_to(page, field)
        page.keyboard.type(value)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "signup" not in url)
    page.goto(f"{live_server.url}/labs/")
    tab_to(page, "Stream a small LLM")
    page.keyboard.press("Enter")
    page.wait_for_url("**/labs/llm-serving/**")
    tab_to(page, "archive")
    tab_to(page, "note")
    tab_to(page, "Submit and grade")
    context.close()


def test_from_a_verdict_to_the_portfolio_by_keyboard_alone(
    chromium, live_server, client, ada, graded
) -> None:
    run = graded(ada, "failed")
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies(session(client, ada, live_server))
    page = context.new_page()
    page.goto(live_server.url + run.get_absolute_url())
    tab_to(page, "Usage equals the ledger")  # a criterion that opens
    page.keyboard.press("Enter")
    tab_to(page, "Publish")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portfolio/**")
    assert run.portfolio_entries.filter(visible=True).exists()
    context.close()
