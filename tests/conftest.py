"""Fixtures for all tests: three people, and settings that touch nothing outside a temporary folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before Django reads its settings: no test may see the data of a developer's own site.
_home = tempfile.mkdtemp(prefix="seatrial-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["SEATRIAL_HOME"] = _home
os.environ["SEATRIAL_SECRET_KEY"] = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
for _name in ("DATABASE_URL", "SEATRIAL_BROKER_URL", "SEATRIAL_PRODUCTION", "SEATRIAL_DEBUG", "SEATRIAL_BASE_URL"):
    os.environ.pop(_name, None)
# Playwright's synchronous API runs an event loop in the thread that also uses the ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

import pytest  # noqa: E402

if TYPE_CHECKING:
    from accounts.models import User

PASSWORD = "a-long-enough-word-9"


@pytest.fixture(autouse=True)
def test_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fast hashes, no rate limits between tests, a home of its own. Only where a test uses Django's settings."""
    if not {"db", "transactional_db", "client", "settings", "live_server"} & set(request.fixturenames):
        yield
        return
    settings: Any = request.getfixturevalue("settings")
    home: Path = request.getfixturevalue("tmp_path") / "home"
    home.mkdir()
    settings.SEATRIAL_HOME = home
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    from config.celery import app
    from django.core.cache import cache

    app.conf.update(broker_url="memory://", broker_transport_options={}, task_always_eager=False)
    cache.clear()
    yield


def _person(handle: str, name: str, role: str) -> User:
    from accounts.models import User

    return User.objects.create_user(handle, f"{handle}@example.org", PASSWORD, display_name=name, role=role)


@pytest.fixture
def ada(db: None) -> User:
    """A learner."""
    return _person("ada", "Ada Lovelace", "learner")


@pytest.fixture
def ivan(db: None) -> User:
    """An instructor."""
    return _person("ivan", "Ivan Petrov", "instructor")


@pytest.fixture
def rita(db: None) -> User:
    """A reviewer."""
    return _person("rita", "Rita Levi", "reviewer")
