"""The one-time link for the first instructor."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import FirstLink, User
from accounts.services import LinkEnded, make_first_instructor

FORM = {"handle": "Ivan", "email": "ivan@example.org", "password": "a-long-enough-word-9"}


def make_link() -> str:
    out = StringIO()
    call_command("first_link", stdout=out)
    return out.getvalue().strip().removeprefix("http://localhost:8000")


def test_the_link_makes_an_instructor_who_is_signed_in(client: Client, db: None) -> None:
    link = make_link()
    assert client.get(link).status_code == 200
    assert client.post(link, FORM).status_code == 302
    ivan = User.objects.get()
    assert ivan.handle == "ivan"
    assert ivan.is_instructor
    assert ivan.is_staff
    assert client.session["_auth_user_id"] == str(ivan.pk)


def test_the_link_works_once(client: Client, db: None) -> None:
    link = make_link()
    client.post(link, FORM)
    again = Client().post(link, FORM | {"handle": "eve", "email": "eve@example.org"})
    assert again.status_code == 404
    assert User.objects.count() == 1


def test_two_people_at_once_make_one_account(db: None) -> None:
    token = FirstLink.make()
    make_first_instructor(token, "ivan", "ivan@example.org", "a-long-enough-word-9")
    User.objects.update(role="learner", is_superuser=False)  # even then the link stays used
    with pytest.raises(LinkEnded):
        make_first_instructor(token, "eve", "eve@example.org", "a-long-enough-word-9")


def test_the_link_ends_after_a_day(client: Client, db: None) -> None:
    link = make_link()
    FirstLink.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert client.get(link).status_code == 404


def test_a_new_link_ends_the_old_one(client: Client, db: None) -> None:
    old, new = make_link(), make_link()
    assert client.get(old).status_code == 404
    assert client.get(new).status_code == 200


def test_the_token_is_not_in_the_database(db: None) -> None:
    token = make_link().rstrip("/").rsplit("/", 1)[1]
    assert token not in str(list(FirstLink.objects.values_list("token_hash")))


def test_no_link_while_there_is_an_instructor(ivan: User, client: Client) -> None:
    out, err = StringIO(), StringIO()
    call_command("first_link", stdout=out, stderr=err)
    assert out.getvalue() == ""
    assert "exists already" in err.getvalue()


def test_a_weak_password_does_not_use_up_the_link(client: Client, db: None) -> None:
    link = make_link()
    page = client.post(link, FORM | {"password": "password"}).content.decode()
    assert "too common" in page
    assert client.post(link, FORM).status_code == 302
