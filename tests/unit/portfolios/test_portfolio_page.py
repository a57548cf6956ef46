"""The public page and the evidence page: who sees what."""

import pytest
from django.test import Client

from storage import blobs
from submissions.models import Evidence


@pytest.fixture
def entry(ada, graded, published):
    graded(ada, "failed")
    return published(graded(ada))


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_strangers_see_the_public_page(client: Client, entry) -> None:
    html = page(client, "/p/ada/")
    for words in ("Ada Lovelace", "Stream a small LLM to real users", "Passed, 80 of 100", "7c1d-40ab-0002",
                  "sha256:51e0 9b7f", "3f9a 3f9a", "Attempt 2, 1 failed run in all", "Token streaming"):  # fmt: skip
        assert words in html, words


def test_one_lab_is_one_card_with_its_best_run(client: Client, ada, graded, published) -> None:
    first, best, last = (
        published(graded(ada, verdict)) for verdict in ("failed", "passed", "failed")
    )
    html = page(client, "/p/ada/")
    assert html.count('class="entry"') == 1
    assert "Passed, 80 of 100" in html
    assert "Also on this page" in html
    for other in (first, last):
        assert f'href="{other.get_absolute_url()}">run {other.run_id}</a>' in html
    assert "1 of 1" in html
    total = len(best.run.lab_version.spec_model.rubric.criteria)
    assert f"of {total}" in html
    assert f"of {3 * total}" not in html, "criteria are not counted three times"


def test_the_handle_works_in_any_case(client: Client, entry) -> None:
    assert client.get("/p/ADA/").status_code == 200


@pytest.mark.parametrize("who", ["ivan", "rita", None])
def test_a_private_portfolio_is_404_to_others(client: Client, entry, who, request) -> None:
    entry.portfolio.is_public = False
    entry.portfolio.save()
    if who:
        client.force_login(request.getfixturevalue(who))
    assert client.get("/p/ada/").status_code == 404
    assert client.get(entry.get_absolute_url()).status_code == 404
    assert client.get("/p/nobody/").status_code == 404


def test_ada_sees_her_private_page(client: Client, ada, entry) -> None:
    entry.portfolio.is_public = False
    entry.portfolio.save()
    client.force_login(ada)
    assert "Only you see this page" in page(client, "/p/ada/")


def test_the_evidence_page_shows_every_run_and_no_request(client: Client, entry) -> None:
    html = page(client, entry.get_absolute_url())
    assert "attempt 1" in html
    assert "attempt 2, this one" in html
    assert "Time to first token" in html
    assert "private-response-body" not in html
    assert "/secret-path" not in html


def test_hidden_entries_are_gone(client: Client, entry) -> None:
    entry.visible = False
    entry.save()
    assert client.get(entry.get_absolute_url()).status_code == 404
    assert "Nothing published yet" in page(client, "/p/ada/")


def test_an_entry_belongs_to_one_portfolio(client: Client, entry, rita, graded, published) -> None:
    published(graded(rita))
    assert client.get(f"/p/rita/{entry.pk}/").status_code == 404


@pytest.fixture
def artefacts(entry, settings):
    for name, visibility in (("transcript.json", "reviewer"), ("build.log", "private")):
        blob = blobs.put(f"<script>{name}</script>".encode())
        Evidence.objects.create(
            run=entry.run,
            name=name,
            media_type="text/html",
            visibility=visibility,
            digest=blob,
            blob=blob,
            size=30,
        )
    return entry.get_absolute_url() + "files/"


@pytest.mark.parametrize(
    ("who", "allowed"),
    [(None, False), ("grace", False), ("rita", True), ("ivan", True), ("ada", True)],
)
def test_artefacts_are_for_reviewers_instructors_and_the_owner(
    client: Client, artefacts: str, who, allowed, request
) -> None:
    if who == "grace":
        from accounts.models import User

        client.force_login(User.objects.create_user("grace", "grace@example.org"))
    elif who:
        client.force_login(request.getfixturevalue(who))
    html = page(client, artefacts.removesuffix("files/"))
    assert ("transcript.json" in html) is allowed
    assert "build.log" not in html
    assert client.get(artefacts + "transcript.json").status_code == (200 if allowed else 404)
    assert client.get(artefacts + "build.log").status_code == 404


def test_artefacts_are_downloads_never_pages(client: Client, artefacts: str, rita) -> None:
    client.force_login(rita)
    response = client.get(artefacts + "transcript.json")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert client.get(artefacts + "../../etc/passwd").status_code == 404


def test_words_of_learners_are_escaped(client: Client, ada, entry) -> None:
    ada.display_name = "<script>alert(1)</script>"
    ada.save()
    entry.portfolio.headline = entry.portfolio.about = "<img src=x onerror=alert(1)>"
    entry.portfolio.save()
    for address in ("/p/ada/", entry.get_absolute_url()):
        html = page(client, address)
        assert "<script>alert" not in html
        assert "<img" not in html
