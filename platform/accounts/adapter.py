"""Where allauth asks the site."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

from accounts.models import User

DEVICE = "device"
"""Cookie of a browser in which somebody signed in: that person's own tries are counted apart from
strangers'.
"""
DEVICE_AGE = 180 * 24 * 3600
STRANGERS_LIMIT = {"login_strangers": "50/h/key"}
"""Wrong tries for one account from all addresses together, known devices left out."""


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

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count by account and not by the name that was typed, and let nobody lock others out of
        their devices.
        """
        account = _account(credentials)
        if account and _knows(request, account):
            return f"{account}:known"
        return f"{account or _typed(credentials)}:{self.get_client_ip(request)}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        account = _account(credentials)
        super().pre_authenticate(request, **credentials)
        if account and not _knows(request, account):
            self._strangers = ratelimit.consume(
                request,
                app="seatrial",
                action="login_strangers",
                config=STRANGERS_LIMIT,
                key=str(account),
            )
            if not self._strangers:
                raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        super()._rollback_login_failed_rl_usage()
        usage = getattr(self, "_strangers", None)
        if usage:
            usage.rollback()

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        response.set_signed_cookie(
            DEVICE, str(user.pk), salt=DEVICE, max_age=DEVICE_AGE, httponly=True, samesite="Lax",
            secure=request.is_secure(),
        )  # fmt: skip
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Links lead to the address that the operator set: a Host header chooses nothing that goes
        into a mail.
        """
        links = {name: _at_home(value) for name, value in context.items() if name.endswith("_url")}
        here = {"name": "Seatrial", "domain": settings.SEATRIAL_BASE_URL}
        super().send_mail(template_prefix, email, {**context, **links, "current_site": here})


def _at_home(address: str) -> str:
    """The same place of the site under its own address."""
    parts = urlsplit(address)
    return settings.SEATRIAL_BASE_URL + parts.path + (f"?{parts.query}" if parts.query else "")


def _typed(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "").lower()


def _account(credentials: dict[str, Any]) -> int | None:
    """The account that was typed, by its handle or its address."""
    typed = _typed(credentials)
    field = "email__iexact" if "@" in typed else "handle__iexact"
    return (
        User.objects.filter(**{field: typed}).values_list("pk", flat=True).first()
        if typed
        else None
    )


def _knows(request: HttpRequest, account: int) -> bool:
    try:
        return request.get_signed_cookie(DEVICE, salt=DEVICE, max_age=DEVICE_AGE) == str(account)
    except (KeyError, BadSignature):
        return False
