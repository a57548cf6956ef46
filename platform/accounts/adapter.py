"""Where allauth asks the site."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is open unless the operator closed it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  allauth's signature
        return bool(settings.SEATRIAL_SIGNUP)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Take handles in any case; they are kept in lower case."""
        return str(super().clean_username(username.lower(), shallow))
