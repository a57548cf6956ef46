"""The user, and the one-time link that makes the first instructor."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

HANDLE_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z"
HANDLE_VALIDATORS = [
    RegexValidator(
        HANDLE_PATTERN,
        "Use lower-case letters, digits and hyphens, up to 32, with no hyphen at the start or end.",
    )
]


class UserManager(BaseUserManager["User"]):
    """Creates users with handles in lower case, and finds them in any case."""

    def create_user(
        self, handle: str, email: str = "", password: str | None = None, **extra: Any
    ) -> User:
        """Return a new saved user. Without a password nobody can sign in as it."""
        if not handle:
            raise ValueError("A user needs a handle.")
        user = self.model(handle=handle.lower(), email=self.normalize_email(email), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, handle: str, email: str = "", password: str | None = None, **extra: Any
    ) -> User:
        """Return a new operator: an instructor who may use the admin site."""
        return self.create_user(
            handle,
            email,
            password,
            role=User.Role.INSTRUCTOR,
            is_staff=True,
            is_superuser=True,
            **extra,
        )

    def get_by_natural_key(self, handle: str | None) -> User:
        return self.get(handle__iexact=handle)


class User(AbstractBaseUser, PermissionsMixin):
    """A person.

    ``role`` says what the person does here; ``is_staff`` opens the admin site for operators.
    """

    class Role(models.TextChoices):
        LEARNER = "learner", "Learner"
        INSTRUCTOR = "instructor", "Instructor"
        REVIEWER = "reviewer", "Reviewer"

    handle = models.CharField(
        unique=True,
        max_length=32,
        validators=HANDLE_VALIDATORS,
        help_text="In the address of the portfolio. Lower-case letters, digits and hyphens.",
    )
    email = models.EmailField("e-mail", max_length=254, blank=True)
    display_name = models.CharField(
        max_length=80, blank=True, help_text="As it stands on the portfolio."
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.LEARNER)
    mail_when_over = models.BooleanField(
        default=False, help_text="Send a mail when a run has its verdict."
    )
    is_staff = models.BooleanField("operator", default=False, help_text="May use the admin site.")
    is_active = models.BooleanField(
        "active", default=True, help_text="Take this away instead of deleting an account."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "handle"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        ordering = ["handle"]
        constraints = [
            models.UniqueConstraint(
                Lower("handle"),
                name="user_handle_unique",
                violation_error_message="This handle is taken.",
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="user_email_unique",
                violation_error_message="Another account uses this e-mail address.",
            ),
        ]

    def __str__(self) -> str:
        return self.handle

    @property
    def name(self) -> str:
        """The display name, or the handle."""
        return self.display_name or self.handle

    @property
    def is_instructor(self) -> bool:
        return self.is_active and (self.role == self.Role.INSTRUCTOR or self.is_superuser)

    @property
    def is_reviewer(self) -> bool:
        """May see evidence with visibility 'reviewer' of public portfolios. Instructors may too."""
        return self.is_active and (self.role == self.Role.REVIEWER or self.is_instructor)


class FirstLink(models.Model):
    """A one-time link for making the first instructor. Only the hash of its token is stored."""

    LIFETIME = timedelta(hours=24)

    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"first link of {self.created_at:%Y-%m-%d %H:%M}"

    @staticmethod
    def hash_of(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    @classmethod
    def make(cls) -> str:
        """Return a new token. Links made before it stop working."""
        cls.objects.filter(used_at=None).delete()
        token = secrets.token_urlsafe(32)
        cls.objects.create(token_hash=cls.hash_of(token))
        return token

    @classmethod
    def usable(cls, token: str) -> models.QuerySet[FirstLink]:
        """Return the link of this token if it is unused and younger than 24 h; otherwise
        nothing.
        """
        return cls.objects.filter(
            token_hash=cls.hash_of(token),
            used_at=None,
            created_at__gt=timezone.now() - cls.LIFETIME,
        )
