"""One door with one lock: wrong tries are counted by account, and nobody locks others out of their
own devices.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account import forms as allauth_forms
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User

PASSWORD = "a-long-enough-word-9"
SIGNUP = {"username": "Grace", "email": "grace@example.org", "password1": PASSWORD}


def try_word(client: Client, login: str, word: str = "wrong", address: str = "10.0.0.1") -> bool:
    client.post("/accounts/login/", {"login": login, "password": word}, REMOTE_ADDR=address)
    return "_auth_user_id" in client.session


def test_the_administration_has_no_form_of_its_own(client: Client, ada: User) -> None:
    User.objects.create_superuser("boss", "boss@example.org", PASSWORD)
    for _ in range(2):
        answer = client.post("/admin/login/", {"username": "boss", "password": PASSWORD})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session
    client.force_login(ada)
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/login/").status_code == 403


def test_tries_are_counted_by_account_and_not_by_what_was_typed(client: Client, ada: User) -> None:
    for name in ("ada", "ada@example.org", "Ada", "ADA@example.org", "ada"):
        assert not try_word(client, name)
    assert not try_word(client, "ada@example.org", PASSWORD)


def test_strangers_lock_nobody_out_of_a_known_device(client: Client, ada: User) -> None:
    own = Client()
    assert try_word(own, "ada", PASSWORD, "10.0.0.7")
    own.post("/accounts/logout/")
    for number in range(60):
        try_word(Client(), "ada", "wrong", f"10.1.{number // 4}.1")
    assert not try_word(Client(), "ada", PASSWORD, "10.9.0.1"), (
        "too many tries from all addresses together"
    )
    assert try_word(own, "ada", PASSWORD, "10.0.0.8")


def test_another_address_is_not_locked_by_a_few_tries_elsewhere(client: Client, ada: User) -> None:
    for _ in range(6):
        try_word(Client(), "ada", "wrong", "10.1.0.1")
    assert not try_word(Client(), "ada", PASSWORD, "10.1.0.1")
    assert try_word(Client(), "ada", PASSWORD, "10.2.0.1")


def test_a_device_of_one_person_is_a_stranger_to_another(client: Client, ada: User) -> None:
    User.objects.create_user("eve", "eve@example.org", PASSWORD)
    evil = Client()
    assert try_word(evil, "eve", PASSWORD)
    evil.post("/accounts/logout/")
    for _ in range(5):
        try_word(evil, "ada")
    assert not try_word(evil, "ada", PASSWORD)


@pytest.mark.parametrize("host", ["localhost:6666", "127.0.0.1:6666", "[::1]:99"])
def test_links_in_mails_lead_to_the_sites_own_address(
    client: Client, ada: User, settings, host: str
) -> None:
    settings.SEATRIAL_BASE_URL = "https://lab.example.org"
    client.post("/accounts/password/reset/", {"email": "ada@example.org"}, headers={"Host": host})
    text = f"{mail.outbox[0].body}\n{mail.outbox[0].subject}"
    links = re.findall(r"https?://[^\s/]+", text)
    assert set(links) == {"https://lab.example.org"}
    assert host not in text


def test_a_sign_up_that_is_sent_twice_is_one(client: Client, db: None) -> None:
    assert client.post("/accounts/signup/", SIGNUP).status_code == 302
    again = Client()
    assert again.post("/accounts/signup/", SIGNUP).status_code == 302
    assert User.objects.count() == 1
    assert again.session["_auth_user_id"] == client.session["_auth_user_id"]
    other = Client().post("/accounts/signup/", {**SIGNUP, "password1": "another-long-word-7"})
    assert "This handle is taken" in other.content.decode()


def test_an_old_account_is_not_signed_in_by_the_sign_up_form(client: Client, db: None) -> None:
    client.post("/accounts/signup/", SIGNUP)
    User.objects.update(date_joined=timezone.now() - timedelta(minutes=5))
    other = Client()
    assert "This handle is taken" in other.post("/accounts/signup/", SIGNUP).content.decode()
    assert "_auth_user_id" not in other.session


@pytest.mark.parametrize("word", [PASSWORD, "another-long-word-7"])
def test_a_sign_up_that_loses_the_race_is_no_error(
    db: None, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Both forms were checked before either was saved: the second used to answer 500."""
    real = allauth_forms.SignupForm.full_clean

    def late(form: Any) -> None:
        real(form)
        User.objects.create_user("grace", "grace@example.org", word)

    monkeypatch.setattr(allauth_forms.SignupForm, "full_clean", late)
    client = Client()
    assert client.post("/accounts/signup/", SIGNUP).status_code == 302
    assert User.objects.count() == 1
    assert ("_auth_user_id" in client.session) == (word == PASSWORD)


def test_pages_of_a_person_are_stored_nowhere(client: Client, ada: User) -> None:
    assert "Cache-Control" not in client.get("/labs/").headers
    client.force_login(ada)
    for address in ("/labs/", "/runs/", "/portfolio/", "/accounts/email/", "/"):
        assert "no-store" in client.get(address, follow=True).headers["Cache-Control"], address
