"""Forms of the account pages. Labels and hints are ours; the rules are allauth's and Django's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.models import User

JUST_NOW = timedelta(minutes=1)


def relabel(form: forms.Form, **texts: tuple[str, str]) -> None:
    """Set ``field=(label, hint)`` and drop placeholders: they vanish while somebody types."""
    for name, field in form.fields.items():
        field.widget.attrs.pop("placeholder", None)
        if name in texts:
            field.label, field.help_text = texts[name]


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(
            self,
            login=("Handle or e-mail", ""),
            password=("Password", ""),
            remember=("Stay signed in on this device", ""),
        )


class SignupForm(allauth_forms.SignupForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(
            self,
            username=(
                "Handle",
                "In the address of your portfolio: lower-case letters, digits and hyphens.",
            ),
            email=("E-mail", "For resetting the password. It is never shown."),
            password1=("Password", "At least 10 characters."),
        )

    def full_clean(self) -> None:
        """A form that is sent twice is the same sign-up: the second answer is the account that the
        first one made.
        """
        super().full_clean()
        self.made = (
            self._just_made() if self.errors and set(self.errors) <= {"username", "email"} else None
        )
        if self.made:
            self.cleaned_data |= {"username": self.made.handle, "email": self.made.email}
            self.errors.clear()

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        if self.made:
            return self.made, None
        try:
            with transaction.atomic():
                saved: tuple[User | None, HttpResponse | None] = super().try_save(request)
                return saved
        except IntegrityError:  # the same form, at the same moment
            made = self._just_made()
            if made is None:
                messages.error(
                    request, "This handle or address was taken a moment ago. Choose another one."
                )
            return made, None if made else redirect("account_signup")

    def _just_made(self) -> User | None:
        """The account with this handle, address and password, if it is a minute old at most."""
        typed = {
            name: str(self.data.get(self.add_prefix(name), ""))
            for name in ("username", "email", "password1")
        }
        since = timezone.now() - JUST_NOW
        user = User.objects.filter(
            handle__iexact=typed["username"], email__iexact=typed["email"], date_joined__gt=since
        ).first()
        return user if user and user.check_password(typed["password1"]) else None


class ResetPasswordForm(allauth_forms.ResetPasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(self, email=("E-mail", "The address that you signed up with."))


class AddEmailForm(allauth_forms.AddEmailForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(
            self,
            email=(
                "Another address",
                "We send a link to it. It is used once you have opened that.",
            ),
        )


class NewPasswordForm(allauth_forms.ResetPasswordKeyForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(
            self,
            password1=("New password", "At least 10 characters."),
            password2=("New password again", ""),
        )


class ChangePasswordForm(allauth_forms.ChangePasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(
            self,
            oldpassword=("Current password", ""),
            password1=("New password", "At least 10 characters."),
            password2=("New password again", ""),
        )


class HandleField(forms.CharField):
    """Takes a handle in any case; it is kept in lower case."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").lower()


class FirstForm(forms.ModelForm):  # type: ignore[type-arg]
    """Handle, e-mail and password of the first instructor."""

    handle = HandleField(max_length=32, help_text="Lower-case letters, digits and hyphens.")
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters.",
    )

    class Meta:
        model = User
        fields = ("handle", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["handle"].widget.attrs["autocomplete"] = "username"
        self.fields["email"].required = True
        self.fields["email"].help_text = "For resetting the password."

    def clean(self) -> dict[str, Any]:
        """Hold the password against the site's rules, with the other fields known."""
        data = super().clean() or {}
        person = User(handle=data.get("handle", ""), email=data.get("email", ""))
        if data.get("password"):
            try:
                validate_password(data["password"], person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data
