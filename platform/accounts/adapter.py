"""Where allauth asks the site."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is open unless the operator closed it; messages use this site's words."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The handle or e-mail and the password don’t match.",
        "email_password_mismatch": "The handle or e-mail and the password don’t match.",
        "too_many_login_attempts": "Too many wrong tries. Wait five minutes, then try again.",
        "email_taken": "Another account uses this e-mail address.",
        "username_taken": "This handle is taken.",
        "username_blacklisted": "This handle is reserved. Choose another one.",
        "rate_limited": "Too many requests. Wait a minute, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  allauth's signature
        return bool(settings.SEATRIAL_SIGNUP)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Take handles in any case; they are kept in lower case."""
        return str(super().clean_username(username.lower(), shallow))
