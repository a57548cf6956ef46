"""The theme: a cookie that the server reads, so no page flashes."""

import pytest
from django.test import Client


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chosen_theme_stands_on_the_page(client: Client, db: None, theme: str) -> None:
    response = client.post("/theme/", {"theme": theme, "next": "/status/"})
    assert response["Location"] == "/status/"
    assert f'<html lang="en" data-theme="{theme}">' in client.get("/status/").content.decode()


def test_system_is_the_default(client: Client, db: None) -> None:
    assert '<html lang="en">' in client.get("/status/").content.decode()


def test_a_made_up_theme_is_ignored(client: Client, db: None) -> None:
    assert "theme" not in client.post("/theme/", {"theme": '"><script>'}).cookies
    client.cookies["theme"] = "x"
    assert '<html lang="en">' in client.get("/status/").content.decode()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_the_way_back_stays_on_the_site(client: Client, db: None, target: str) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": target})["Location"] == "/"
