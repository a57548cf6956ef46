"""Front page, status, health, faults, and the policy on all of them."""

import json

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from accounts.models import User
from config.celery import app

POLICY = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
]


@pytest.mark.parametrize(
    "address",
    ["/", "/status/", "/healthz", "/accounts/login/", "/accounts/signup/", "/no-such-page"],
)
def test_every_page_carries_the_policy(client: Client, db: None, address: str) -> None:
    policy = client.get(address)["Content-Security-Policy"]
    for part in POLICY:
        assert part in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "address",
    ["/", "/status/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"],
)
def test_pages_have_no_inline_style_or_script(client: Client, db: None, address: str) -> None:
    page = client.get(address).content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count('<script src="/static/')
    assert page.count("<h1") == 1


async def test_the_policy_holds_for_async_requests(async_client, db: None) -> None:
    response = await async_client.get("/no-such-page")
    assert "script-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["seatrial.css", "seatrial.js", "htmx.min.js", "fonts/instrument-sans.woff2"]
)
def test_static_files_are_served_without_a_web_server_in_front(
    client: Client, db: None, name: str
) -> None:
    response = client.get(f"/static/webui/{name}")
    assert response.status_code == 200
    assert len(b"".join(response)) > 1000


def test_health(client: Client, db: None) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "grading": "ready"}


def test_health_without_a_database(client: Client, db: None, monkeypatch) -> None:
    monkeypatch.setattr("config.views.status.database_answers", lambda: False)
    assert client.get("/healthz").status_code == 503


def pause(settings, **more: str) -> None:
    (settings.SEATRIAL_HOME / "engine.json").write_text(json.dumps({"ready": False, **more}))


def test_paused_grading_is_said_on_every_page(client: Client, db: None, settings) -> None:
    pause(settings, message="Docker is not installed.", advice="Run apt-get install docker.io.")
    for address in ("/", "/status/", "/accounts/login/"):
        page = client.get(address).content.decode()
        assert "Grading is paused" in page
        assert "The container engine does not answer" in page
        assert "Docker is not installed." not in page, "the engine's own words are the operator's"
        assert "apt-get" not in page
    assert client.get("/healthz").json()["grading"] == "paused"


def test_operators_see_what_to_do(client: Client, db: None, settings) -> None:
    pause(settings, message="No engine.", advice="Run apt-get install docker.io.")
    client.force_login(User.objects.create_superuser("olga", "olga@example.org"))
    for address in ("/", "/status/"):
        assert "No engine." in client.get(address).content.decode()
    assert "apt-get install docker.io" in client.get("/").content.decode()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"ready": "yes"}', "null"])
def test_a_damaged_state_means_paused(client: Client, db: None, settings, content: str) -> None:
    (settings.SEATRIAL_HOME / "engine.json").write_text(content)
    assert "Grading is paused" in client.get("/").content.decode()


def test_404_and_403_say_what_happened(client: Client, ada: User) -> None:
    page = client.get("/no-such-page")
    assert page.status_code == 404
    assert "No such page" in page.content.decode()


def test_a_failed_csrf_check_has_our_page(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    page = strict.post("/theme/", {"theme": "dark"})
    assert page.status_code == 403
    assert "The form was too old" in page.content.decode()


def test_500_has_our_page_and_a_reference(client: Client, db: None, monkeypatch) -> None:
    def broken() -> bool:
        raise RuntimeError("boom")

    monkeypatch.setattr("config.views.status.database_answers", broken)
    client.raise_request_exception = False
    page = client.get("/status/")
    assert page.status_code == 500
    assert "Something broke on our side" in page.content.decode()
    assert "e-" in page.content.decode()
    assert "boom" not in page.content.decode()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database is locked"),
        InterfaceError("closed"),
        OSError(28, "No space left on device"),
    ],
)
def test_storage_that_fails_for_a_while_is_503_and_says_what_to_do(
    client: Client, db: None, monkeypatch, error: Exception, plain: bool
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("config.views.status.database_answers", broken)
    if plain:
        monkeypatch.setattr("webui.views.errors.fault", broken)
    client.raise_request_exception = False
    page = client.get("/status/")
    assert (page.status_code, page["Retry-After"]) == (503, "30")
    assert "Wait half a minute" in page.content.decode()
    assert str(error) not in page.content.decode()


def test_500_when_the_database_is_gone_too(client: Client, ada: User, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("config.views.status.database_answers", broken)
    monkeypatch.setattr("webui.views.errors.fault", broken)
    client.raise_request_exception = False
    page = client.get("/status/")
    assert page.status_code == 500
    assert page.content.decode().startswith("Something broke on our side. ")
    assert "Reference e-" in page.content.decode()


def test_the_broker_never_loses_order_or_a_message() -> None:
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]
