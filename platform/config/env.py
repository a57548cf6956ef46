"""Settings from the environment.

A bad value stops the start with the name of the variable and what to write.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from grader.engines.docker.packages.policy import Policy

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
WEAK_SECRETS = {"changeme", "change-me", "secret", "insecure", "default", "password"}
SECRET_MIN = 40


def envstr(name: str, default: str = "") -> str:
    """Return the variable, stripped, or ``default`` when it is unset or empty.

    ``NAME_FILE`` may name a file that holds the value instead: secrets of Docker and Kubernetes are
    files, and no ``inspect`` shows them. Raises ImproperlyConfigured when the file can't be read,
    or when both are set.
    """
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return value or default
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Set one of them.")
    try:
        return Path(path).read_text().strip() or default
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE: {path} can't be read: {error}.") from None


def envbool(name: str, default: bool) -> bool:
    """Return the variable as a boolean. Raises ImproperlyConfigured for any other word."""
    if name not in os.environ and f"{name}_FILE" not in os.environ:
        return default
    raw = envstr(name)
    word = raw.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {raw!r}. Write 1 or 0.")


def envint(name: str, default: int, *, low: int, high: int) -> int:
    """Return the variable as an integer from ``low`` to ``high``.

    Raises ImproperlyConfigured otherwise.
    """
    raw = envstr(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}. Write a whole number.") from None
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name} is {value}. Write a number from {low} to {high}.")
    return value


def envlist(name: str, default: list[str]) -> list[str]:
    """Return the variable split at commas, without empty parts."""
    raw = envstr(name)
    return [part.strip() for part in raw.split(",") if part.strip()] if raw else default


def envsecret(name: str, *, home: Path, production: bool) -> str:
    """Return the secret ``name``.

    In production it comes from the environment alone. Otherwise it falls back on
    ``<home>/secret.key``, which is made at the first use with mode 0600, so every installation has
    a key of its own.

    Raises ImproperlyConfigured when the key is missing in production, a well-known word, or shorter
    than 40 characters.
    """
    secret = envstr(name)
    if not secret:
        if production:
            raise ImproperlyConfigured(
                f"{name} is not set. In production it must be in the environment: 40 or more "
                "random characters."
            )
        secret = _own_secret(home / "secret.key")
    weak = len(secret) < SECRET_MIN or any(secret.lower().startswith(word) for word in WEAK_SECRETS)
    if weak or len(set(secret)) < 10:
        raise ImproperlyConfigured(
            f"{name} is too easy to guess. Write 40 or more random characters, for example the "
            "output of "
            "'python3 -c \"import secrets; print(secrets.token_urlsafe(48))\"'."
        )
    return secret


def _own_secret(path: Path) -> str:
    """Read the key of this installation; make it when there is none.

    Safe when two processes start at once.
    """
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(draft, path)  # the first process wins; the others read what it wrote
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"No secret key could be written to {path}: {error.strerror}. Set SEATRIAL_SECRET_KEY, "
            "or let "
            "SEATRIAL_HOME name a folder that can be written."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for ``sqlite:///path`` or
    ``postgres://user:password@host:port/name?option=value``.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path[1:]),
            "OPTIONS": {
                # Writers wait for each other instead of failing; readers never wait for a writer.
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_HEALTH_CHECKS": True,
            # Under ASGI each request has a thread of its own: a connection that is kept is never
            # used again.
            "CONN_MAX_AGE": 0,
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    raise ImproperlyConfigured("DATABASE_URL must start with sqlite:/// or postgres://.")


def email(url: str) -> dict[str, Any]:
    """Return Django's e-mail settings for ``console:``, ``file:///folder`` or
    ``smtp[s]://user:password@host:port``.

    ``smtps`` speaks TLS from the start; ``smtp://...?tls=1`` upgrades the connection; ``?from=``
    sets the sender.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    sender = {"DEFAULT_FROM_EMAIL": options["from"]} if "from" in options else {}
    backend = "django.core.mail.backends."
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": backend + "console.EmailBackend", **sender}
    if parts.scheme == "file":
        return {
            "EMAIL_BACKEND": backend + "filebased.EmailBackend",
            "EMAIL_FILE_PATH": unquote(parts.path),
            **sender,
        }
    if parts.scheme in {"smtp", "smtps"} and parts.hostname:
        secure = parts.scheme == "smtps"
        return {
            "EMAIL_BACKEND": backend + "smtp.EmailBackend",
            "EMAIL_HOST": parts.hostname,
            "EMAIL_PORT": parts.port or (465 if secure else 587),
            "EMAIL_HOST_USER": unquote(parts.username or ""),
            "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
            "EMAIL_USE_SSL": secure,
            "EMAIL_USE_TLS": options.get("tls") == "1" and not secure,
            "EMAIL_TIMEOUT": 10,
            **sender,
        }
    raise ImproperlyConfigured(
        "SEATRIAL_EMAIL_URL must be console:, file:///folder or smtp[s]://user:password@host."
    )


def packages() -> Policy:
    """What builds may reach.

    Raises ImproperlyConfigured for a kind that does not exist, and for a bad number.
    """
    for name in ("SEATRIAL_PACKAGES_BUILD_MIB", "SEATRIAL_PACKAGES_CACHE_GIB"):
        envint(name, 1, low=1, high=100_000)
    try:
        return Policy.from_environment()
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from None
