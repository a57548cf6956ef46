"""Handles and roles."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.decorators import instructor_required
from accounts.models import User


def test_handles_are_unique_in_any_case(ada: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(handle="ADA", email="x@example.org")])


def test_mail_addresses_are_unique_in_any_case(ada: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create_user("other", "ADA@example.org")


@pytest.mark.parametrize("handle", ["A", "a_b", "a--" + "-", "é", ""])
def test_bad_handles_do_not_validate(db: None, handle: str) -> None:
    with pytest.raises(ValidationError):
        User(handle=handle, email="x@example.org", password="x").full_clean()


def test_rights_follow_the_role(ada: User, ivan: User, rita: User) -> None:
    assert [(u.is_instructor, u.is_reviewer) for u in (ada, ivan, rita)] == [
        (False, False),
        (True, True),
        (False, True),
    ]
    ivan.is_active = False
    assert not ivan.is_instructor


def test_instructor_required(rf: RequestFactory, ada: User, ivan: User) -> None:
    view = instructor_required(lambda request: HttpResponse("in"))
    request = rf.get("/teach/")
    request.user = ivan
    assert view(request).content == b"in"
    request.user = AnonymousUser()
    assert view(request)["Location"] == "/accounts/login/?next=/teach/"
    request.user = ada
    with pytest.raises(PermissionDenied, match="instructors"):
        view(request)


def test_the_admin_site_lists_people(client, db: None) -> None:
    operator = User.objects.create_superuser("olga", "olga@example.org", "x")
    client.force_login(operator)
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get(f"/admin/accounts/user/{operator.pk}/change/").status_code == 200
    assert client.get("/admin/accounts/user/add/").status_code == 200


def test_the_admin_site_is_closed_to_learners(client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/admin/").status_code == 302
