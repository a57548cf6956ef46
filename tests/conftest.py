"""Fixtures for all tests: three people, and settings that touch nothing outside a temporary
folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before Django reads its settings: no test may see the data of a developer's own site. So
# pyproject.toml names no DJANGO_SETTINGS_MODULE: pytest-django would read it before this file.
_home = tempfile.mkdtemp(prefix="seatrial-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["SEATRIAL_HOME"] = _home
os.environ["SEATRIAL_SLOT_DIR"] = _home
# A lab that somebody works on is no reason for the pages' tests to fail: test_proofs.py asks for
# the records.
os.environ["SEATRIAL_PUBLISH"] = "all"
os.environ["SEATRIAL_SECRET_KEY"] = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
for _name in (
    "DATABASE_URL",
    "SEATRIAL_BROKER_URL",
    "SEATRIAL_PRODUCTION",
    "SEATRIAL_DEBUG",
    "SEATRIAL_BASE_URL",
):
    os.environ.pop(_name, None)
# Playwright's synchronous API runs an event loop in the thread that also uses the ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings as hypothesis_settings  # noqa: E402

if TYPE_CHECKING:
    from accounts.models import User

django.setup()

PASSWORD = "a-long-enough-word-9"


@pytest.fixture(autouse=True)
def test_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fast hashes, no rate limits between tests, a home of its own.

    Only where a test uses Django's settings.
    """
    if not {"db", "transactional_db", "client", "settings", "live_server"} & set(
        request.fixturenames
    ):
        yield
        return
    settings: Any = request.getfixturevalue("settings")
    home: Path = request.getfixturevalue("tmp_path") / "home"
    home.mkdir()
    settings.SEATRIAL_HOME = home
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    from django.core.cache import cache

    from config.celery import app

    app.conf.update(broker_url="memory://", broker_transport_options={}, task_always_eager=False)
    cache.clear()
    from labs import kept

    kept.forget()  # tests give one digest to several specs
    yield


def _person(handle: str, name: str, role: str) -> User:
    from accounts.models import User

    return User.objects.create_user(
        handle, f"{handle}@example.org", PASSWORD, display_name=name, role=role
    )


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


def _result(
    criterion: str, title: str, outcome: str, points: float, most: float, **more: Any
) -> dict[str, Any]:
    return {
        "criterion": criterion,
        "check": "test",
        "title": title,
        "gate": False,
        "outcome": outcome,
        "points": points,
        "max_points": most,
        "message": f"{title}: what happened.",
        **more,
    }


def _samples(median: float, spread: float, n: int = 120) -> list[float]:
    """A fixed bell of values, skewed to the right as latencies are."""
    return [
        round(median * (1 + spread * ((i * 37 % n) / n - 0.4) ** 3 * 8 + 0.02 * (i % 7)), 4)
        for i in range(n)
    ]


def sample_results(passed: bool = True) -> list[dict[str, Any]]:
    """Four criteria as the grader reports them: a gate, a ratio with a plot, a percentage, a failed
    one.
    """
    ratio = {
        "value": 1.52,
        "low": 1.46,
        "high": 1.58,
        "unit": "ratio",
        "n": 28,
        "text": "1.52 × R [1.46, 1.58], n = 28",
    }
    ttft = {
        "kind": "histogram",
        "title": "Time to first token, 400-token shared prompt",
        "unit": "s",
        "app": _samples(0.62, 0.5),
        "baseline": _samples(2.9, 0.4),
        "threshold": 0.87,
        "summary": "Baseline median 2.90 s, this system 0.62 s. The rule lies at 0.87 s.",
    }
    wave = {
        "kind": "timeline",
        "title": "Requests answered while the service restarts",
        "unit": "%",
        "app": [[t, 100 - (12 if 28 <= t <= 33 else 0) - t % 3 * 0.4] for t in range(60)],
        "baseline": [[t, 92 - (50 if 28 <= t <= 40 else 0) - t % 5] for t in range(60)],
        "threshold": 85,
        "marks": [{"start_s": 28, "end_s": 33, "text": "service restarted"}],
        "summary": "The system stays above 85 % through the restart.",
    }
    answered = {
        "value": 97.4 if passed else 61.0,
        "unit": "%",
        "text": f"{97.4 if passed else 61.0} % of 600 requests",
    }
    return [
        _result("contract", "Contract", "passed", 20, 20, gate=True, rule={"op": "all", "text": "all"},
                measured={"value": 61, "text": "61 of 61 requests as specified"}),
        _result("throughput", "Tokens per second at 4 streams", "passed", 30, 30, measured=ratio, series=[ttft],
                rule={"op": "at_least", "threshold": 1.4, "unit": "ratio", "text": "at least 1.40 × R"}),
        _result("answered", "Requests answered during a restart", "passed" if passed else "failed",
                30 if passed else 0, 30, measured=answered, series=[wave],
                rule={"op": "at_least", "threshold": 85, "unit": "%", "text": "at least 85 %"},
                exchange={"method": "GET", "path": "/secret-path", "response_body": "private-response-body"}),
        _result("usage", "Usage equals the ledger", "failed", 0, 20, advice="Count the prompt too.",
                measured={"value": -109, "unit": "tokens", "text": "−109 tokens"},
                rule={"op": "exact", "text": "equal"}),
    ]  # fmt: skip


LAB_SPEC: dict[str, Any] = {
    "id": "llm-serving",
    "number": 1,
    "version": "1.4.0",
    "title": "Stream a small LLM to real users",
    "summary": "An OpenAI-compatible chat service that batches, streams and survives a restart.",
    "level": 2,
    "hours": 8,
    "skills": ["token-streaming", "batching"],
    "rubric": {
        "pass_score": 70,
        "gate_cap": 40,
        "criteria": [
            {"id": r["criterion"], "title": r["title"], "rule": r["rule"]["text"], "weight": r["max_points"],
             "gate": r["gate"], "checks": [{"check": "x"}]}
            for r in sample_results()
        ],
    },
}  # fmt: skip


@pytest.fixture
def lab(db: None) -> Any:
    """A published lab with its version; ``lab.current`` is the version."""
    from labs.models import Lab, LabVersion, Skill

    Skill.objects.create(slug="token-streaming", title="Token streaming")
    Skill.objects.create(slug="batching", title="Batching and caching")
    lab = Lab.objects.create(slug="llm-serving", number=1)
    lab.current = LabVersion.objects.create(
        lab=lab, digest="3f9a" * 16, label="1.4.0", spec=LAB_SPEC, archive="0" * 64
    )
    lab.save()
    return lab


@pytest.fixture
def graded(lab: Any) -> Any:
    """Call ``graded(user, verdict="passed")`` for a finished run with results; each call is a new
    attempt.
    """
    from datetime import timedelta

    from django.utils import timezone

    from submissions.models import CheckResult, GradingRun, Submission

    def make(user: User, verdict: str = "passed", **changes: Any) -> GradingRun:
        number = Submission.objects.filter(user=user, lab=lab).count() + 1
        submission = Submission.objects.create(
            user=user,
            lab=lab,
            lab_version=lab.current,
            number=number,
            digest="ab12" * 16,
            blob="0" * 64,
        )
        results = sample_results(verdict == "passed")
        now = timezone.now()
        fields: dict[str, Any] = {
            "state": "finished",
            "verdict": verdict,
            "score": sum(r["points"] for r in results),
            "seed": f"7c1d-40ab-{number:04d}",
            "image_digest": "sha256:" + "51e09b7f" * 8,
            "grader_version": "0.1.0",
            "started_at": now - timedelta(seconds=141),
            "finished_at": now,
        }
        run = GradingRun.objects.create(
            submission=submission, lab_version=lab.current, **(fields | changes)
        )
        for r in results:
            CheckResult.objects.create(
                run=run,
                criterion=r["criterion"],
                outcome=r["outcome"],
                points=r["points"],
                payload=r,
            )
        return run

    return make


@pytest.fixture
def published() -> Any:
    """Call ``published(run)`` to pin it on its owner's portfolio and make the page public."""

    def make(run: Any) -> Any:
        from portfolios.services import publish

        entry = publish(run, run.submission.user)
        entry.portfolio.is_public = True
        entry.portfolio.headline = "I build model services and measure them before I believe them."
        entry.portfolio.save()
        return entry

    return make


@pytest.fixture(scope="session")
def sandbox() -> Any:
    """Our sandbox on the real engine, with our images made if any is missing.

    For tests marked ``docker``.
    """
    from grader import images
    from grader.engines.docker.sandbox import DockerSandbox

    found = DockerSandbox(installation="test")
    found.check()
    images.ensure(found.client, lambda _line: None)
    return found


# The same examples in every run: what a test says must not depend on luck. Nothing is written into
# the checkout.
hypothesis_settings.register_profile("same", derandomize=True, database=None, deadline=None)
hypothesis_settings.load_profile("same")
