"""Making the first instructor."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import FirstLink, User


class LinkEnded(Exception):
    """The link was used, is too old, or an instructor exists already."""


def instructor_exists() -> bool:
    return User.objects.filter(
        Q(role=User.Role.INSTRUCTOR) | Q(is_superuser=True), is_active=True
    ).exists()


@transaction.atomic
def make_first_instructor(token: str, handle: str, email: str, password: str) -> User:
    """Use up the link and return the new instructor, who is also the operator. Raises LinkEnded."""
    # The conditional UPDATE decides between two people who send the form at once.
    if instructor_exists() or FirstLink.usable(token).update(used_at=timezone.now()) != 1:
        raise LinkEnded
    return User.objects.create_superuser(handle, email, password)
