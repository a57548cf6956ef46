"""The pages around the labs: documents, dashboard, what browsers and crawlers ask for, account
pages of allauth.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from config.views.docs import DOCUMENTS

pytestmark = pytest.mark.django_db


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_served_and_lead_to_each_other(client: Client, name: str) -> None:
    page = text_of(client, f"/docs/{name}/")
    assert f"<h1>{DOCUMENTS[name]}</h1>" in page
    assert not re.search(r'href="[^"]*\\.md', page), "a dead link"
    assert "<!--" not in page.partition("<article")[2].partition("</article>")[0]


def test_the_projects_page_says_what_this_site_allows(client: Client, settings: Any) -> None:
    page = text_of(client, "/docs/projects/")
    assert "On this site" in page
    assert "python:3" in page
    assert settings.SEATRIAL_PACKAGES.sentence()[:20] in page


@pytest.mark.parametrize("name", ["nothing", "adr", "README"])
def test_other_documents_are_not(client: Client, name: str) -> None:
    assert client.get(f"/docs/{name}/").status_code == 404


def test_what_browsers_and_crawlers_ask_for(client: Client) -> None:
    icon = client.get("/favicon.ico")
    assert (icon.status_code, icon["Content-Type"]) == (200, "image/svg+xml")
    assert "Disallow: /accounts/" in text_of(client, "/robots.txt")
    assert '<meta name="description"' in text_of(client, "/")


def test_strangers_see_the_introduction_and_learners_a_dashboard(client: Client, ada: Any) -> None:
    assert "Sea trials for AI" in text_of(client, "/")
    client.force_login(ada)
    page = text_of(client, "/")
    assert "Hello, Ada Lovelace" in page
    assert "Carry on" in page
    assert "Last verdicts" in page
    assert "Sea trials for AI" in text_of(client, "/about/")


@pytest.mark.parametrize(
    "path", ["/accounts/email/", "/accounts/reauthenticate/", "/accounts/password/change/"]
)
def test_no_account_page_looks_like_another_product(client: Client, ada: Any, path: str) -> None:
    client.force_login(ada)
    page = text_of(client, path)
    assert '<html lang="en"' in page
    assert page.count("<main") == page.count("<h1") == 1
    assert "webui/seatrial" in page


def test_a_mail_about_a_password_is_ours(client: Client, ada: Any, settings: Any) -> None:
    client.post("/accounts/password/reset/", {"email": ada.email})
    client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    ours, unknown = mail.outbox
    assert ours.subject == "Seatrial: Choose a new password"
    assert unknown.subject == "Seatrial: No account with this address"
    for sent in (ours, unknown):
        assert sent.from_email == settings.DEFAULT_FROM_EMAIL
        assert "webmaster" not in sent.from_email
        assert "Hello from" not in sent.body
        assert settings.SEATRIAL_BASE_URL + "/accounts/" in sent.body
        assert "testserver" not in sent.body, "the Host header of whoever asked"


def test_the_docs_folder_is_whole() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    assert {path.stem for path in docs.glob("*.md")} == set(DOCUMENTS)
