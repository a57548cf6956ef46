"""The front page shows figures of this installation only."""

from django.test import Client


def test_an_empty_installation_shows_no_figures(client: Client, db) -> None:
    html = client.get("/").content.decode()
    assert "Browse the labs" in html
    assert "graded on this installation" not in html
    assert "Read a real verdict" not in html


def test_a_published_run_is_the_specimen(client: Client, ada, graded, published) -> None:
    entry = published(graded(ada))
    html = client.get("/").content.decode()
    assert "Browse 1 lab<" in html
    assert "1 run graded on this installation" in html
    assert "Time to first token" in html
    assert entry.get_absolute_url() in html


def test_private_runs_never_stand_there(client: Client, ada, graded, published) -> None:
    entry = published(graded(ada))
    entry.portfolio.is_public = False
    entry.portfolio.save()
    html = client.get("/").content.decode()
    assert "Time to first token" not in html
    assert "ada" not in html.split("<main")[1]
