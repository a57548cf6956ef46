"""Settings from the environment fail loudly, with the name of the variable and what to write."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

GOOD = "kJ8-vX2_pQ9wL4mN7rT1yU6iO3aS5dF0gH-zC_bV"


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("TRUE", True), ("off", False), ("", False)]
)
def test_envbool_reads_words(monkeypatch, word: str, value: bool) -> None:
    monkeypatch.setenv("X", word)
    assert env.envbool("X", not value) is value


def test_envbool_refuses_other_words(monkeypatch) -> None:
    monkeypatch.setenv("X", "maybe")
    with pytest.raises(ImproperlyConfigured, match=r"X is 'maybe'\. Write 1 or 0"):
        env.envbool("X", True)


def test_a_file_may_hold_the_value(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"  {GOOD}\n")
    monkeypatch.delenv("X", raising=False)
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
    assert env.envstr("X") == GOOD
    assert env.envsecret("X", home=tmp_path, production=True) == GOOD
    (tmp_path / "secret").write_text("7")
    assert env.envint("X", 3, low=0, high=10) == 7
    (tmp_path / "secret").write_text("off\n")
    assert env.envbool("X", True) is False
    monkeypatch.setenv("X", "too")
    with pytest.raises(ImproperlyConfigured, match="X and X_FILE are both set"):
        env.envstr("X")


def test_a_file_that_is_not_there_stops_the_start(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("X", raising=False)
    monkeypatch.setenv("X_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=r"X_FILE: .*missing can't be read"):
        env.envstr("X", "default")


@pytest.mark.parametrize("raw", ["one", "1.5", "-1", "11"])
def test_envint_refuses_what_is_not_in_range(monkeypatch, raw: str) -> None:
    monkeypatch.setenv("X", raw)
    with pytest.raises(ImproperlyConfigured, match="X is"):
        env.envint("X", 3, low=0, high=10)


@pytest.mark.parametrize("weak", ["short", "changeme" * 8, "insecure-" + GOOD, "a" * 60])
def test_weak_secrets_are_refused(monkeypatch, tmp_path: Path, weak: str) -> None:
    monkeypatch.setenv("X", weak)
    with pytest.raises(ImproperlyConfigured, match="too easy to guess"):
        env.envsecret("X", home=tmp_path, production=False)


def test_production_wants_its_secret_in_the_environment(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("X", raising=False)
    with pytest.raises(ImproperlyConfigured, match="X is not set"):
        env.envsecret("X", home=tmp_path, production=True)
    assert not (tmp_path / "secret.key").exists()


def test_each_home_gets_a_secret_of_its_own(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("X", raising=False)
    one = env.envsecret("X", home=tmp_path / "one", production=False)
    two = env.envsecret("X", home=tmp_path / "two", production=False)
    assert one != two
    assert env.envsecret("X", home=tmp_path / "one", production=False) == one
    assert (tmp_path / "one" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["secret.key"]


def test_databases(tmp_path: Path) -> None:
    lite = env.database(f"sqlite:///{tmp_path}/x.sqlite3")
    assert lite["NAME"] == f"{tmp_path}/x.sqlite3"
    assert lite["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    big = env.database("postgres://me:p%40ss@db:5433/seatrial?sslmode=require")
    assert (big["USER"], big["PASSWORD"], big["HOST"], big["PORT"], big["NAME"]) == (
        "me",
        "p@ss",
        "db",
        "5433",
        "seatrial",
    )
    assert big["OPTIONS"] == {"sslmode": "require"}
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        env.database("mysql://x")


def test_email() -> None:
    mail = env.email("smtps://me:pw@mail.example.org?from=lab@example.org")
    assert (mail["EMAIL_PORT"], mail["EMAIL_USE_SSL"], mail["EMAIL_USE_TLS"]) == (465, True, False)
    assert mail["DEFAULT_FROM_EMAIL"] == "lab@example.org"
    assert env.email("smtp://mail?tls=1")["EMAIL_USE_TLS"]
    with pytest.raises(ImproperlyConfigured, match="SEATRIAL_EMAIL_URL"):
        env.email("mail.example.org")


def start(tmp_path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process of their own."""
    root = Path(__file__).resolve().parents[3]
    variables = {"PATH": "/usr/bin:/bin", "SEATRIAL_HOME": str(tmp_path), **changes}
    places = [str(root / "platform"), str(root)]
    code = (
        f"import sys; sys.path[:0] = {places!r}; from config import settings as s; print(s.DEBUG)"
    )
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SEATRIAL_PRODUCTION": "1"}, "SEATRIAL_SECRET_KEY is not set"),
        ({"SEATRIAL_PRODUCTION": "1", "SEATRIAL_SECRET_KEY": "short"}, "too easy to guess"),
        (
            {"SEATRIAL_PRODUCTION": "1", "SEATRIAL_SECRET_KEY": GOOD, "SEATRIAL_DEBUG": "1"},
            "SEATRIAL_DEBUG",
        ),
        (
            {
                "SEATRIAL_PRODUCTION": "1",
                "SEATRIAL_SECRET_KEY": GOOD,
                "SEATRIAL_ALLOWED_HOSTS": "*",
            },
            "must name the hosts",
        ),
        ({"SEATRIAL_BASE_URL": "lab.example.org"}, "SEATRIAL_BASE_URL"),
        ({"SEATRIAL_BROKER_URL": "http://x"}, "SEATRIAL_BROKER_URL"),
    ],
)
def test_the_site_refuses_to_start(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    result = start(tmp_path, **changes)
    assert result.returncode != 0
    assert words in result.stderr


def test_the_site_starts_without_any_variable(tmp_path: Path) -> None:
    result = start(tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, "False"), result.stderr
