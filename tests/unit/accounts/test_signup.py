"""Sign-up, sign-in and password reset, through the pages."""

import re

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User

PASSWORD = "a-long-enough-word-9"


def sign_up(client: Client, **changes: str):
    data = {"username": "Grace", "email": "grace@example.org", "password1": PASSWORD, **changes}
    return client.post("/accounts/signup/", data)


def test_a_learner_signs_up_and_is_signed_in(client: Client, db: None) -> None:
    response = sign_up(client)
    assert response.status_code == 302
    grace = User.objects.get()
    assert grace.handle == "grace"
    assert grace.role == User.Role.LEARNER
    assert client.session["_auth_user_id"] == str(grace.pk)


def test_nobody_chooses_a_role_at_sign_up(client: Client, db: None) -> None:
    sign_up(client, role="instructor", is_staff="1", is_superuser="1")
    grace = User.objects.get()
    assert (grace.role, grace.is_staff, grace.is_superuser) == ("learner", False, False)


@pytest.mark.parametrize("handle", ["ADA", "ada", "a b", "-x", "x-", "a/b", "admin", "ä", "x" * 33])
def test_bad_and_taken_handles_are_refused_beside_the_field(
    client: Client, ada: User, handle: str
) -> None:
    page = sign_up(client, username=handle).content.decode()
    assert User.objects.count() == 1
    assert 'aria-invalid="true"' in page
    described = re.search(r'name="username"[^>]*aria-describedby="([^"]+)"', page)
    assert described
    for target in described[1].split():
        assert f'id="{target}"' in page


def test_a_short_password_is_refused(client: Client, db: None) -> None:
    assert "too short" in sign_up(client, password1="short").content.decode()
    assert not User.objects.exists()


def test_a_closed_site_takes_no_sign_up(client: Client, db: None, settings) -> None:
    settings.SEATRIAL_SIGNUP = False
    assert "Sign-up is closed" in sign_up(client).content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("login", ["ada", "Ada", "ada@example.org"])
def test_ada_signs_in_by_handle_or_mail(client: Client, ada: User, login: str) -> None:
    response = client.post("/accounts/login/", {"login": login, "password": PASSWORD})
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_a_wrong_password_says_so_in_an_alert(client: Client, ada: User) -> None:
    page = client.post("/accounts/login/", {"login": "ada", "password": "wrong"}).content.decode()
    assert 'role="alert"' in page
    assert "_auth_user_id" not in client.session


def test_five_wrong_tries_pause_the_account(client: Client, ada: User) -> None:
    for _ in range(5):
        client.post("/accounts/login/", {"login": "ada", "password": "wrong"})
    client.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_ada_resets_her_password_by_mail(client: Client, ada: User) -> None:
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    link = re.search(r"http://\S+?(/accounts/password/reset/key/\S+)", mail.outbox[0].body)
    assert link
    page = client.get(link[1], follow=True)
    assert "Choose a new password" in page.content.decode()
    new = "another-long-word-7"
    done = client.post(page.request["PATH_INFO"], {"password1": new, "password2": new})
    assert done.status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(new)
    assert "This link has ended" in Client().get(link[1], follow=True).content.decode()


def test_an_unknown_address_gets_the_same_answer(client: Client, ada: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert known.status_code == unknown.status_code == 302
    assert known["Location"] == unknown["Location"]
