"""Publishing a run, and arranging the page."""

import pytest
from django.test import Client
from django.utils import timezone

from portfolios.models import PortfolioEntry


def publish(client: Client, run, action: str = "publish"):
    return client.post(f"/runs/{run.pk}/publish/", {"action": action})


def test_ada_publishes_and_unpublishes_her_run(client: Client, ada, graded) -> None:
    run = graded(ada)
    client.force_login(ada)
    assert publish(client, run).status_code == 302
    entry = PortfolioEntry.objects.get()
    assert (entry.run, entry.visible, entry.portfolio.is_public) == (run, True, False)
    publish(client, run, "unpublish")
    entry.refresh_from_db()
    assert not entry.visible
    publish(client, run)
    assert PortfolioEntry.objects.get().pk == entry.pk


def test_publishing_makes_nothing_public_by_itself(client: Client, ada, graded) -> None:
    client.force_login(ada)
    response = publish(client, graded(ada))
    assert response["Location"] == "/portfolio/"
    assert Client().get("/p/ada/").status_code == 404


@pytest.mark.parametrize("who", ["ivan", "rita"])
def test_nobody_publishes_for_somebody_else(client: Client, ada, graded, who: str, request) -> None:
    run = graded(ada)
    client.force_login(request.getfixturevalue(who))
    assert publish(client, run).status_code == 404
    assert not PortfolioEntry.objects.exists()


def test_visitors_are_asked_to_sign_in(client: Client, ada, graded) -> None:
    assert "/accounts/login/" in publish(client, graded(ada))["Location"]


def test_publishing_needs_a_post(client: Client, ada, graded) -> None:
    client.force_login(ada)
    assert client.get(f"/runs/{graded(ada).pk}/publish/").status_code == 405


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "errored"},
        {"verdict": "inconclusive"},
        {"verdict": "not_gradable"},
        {"state": "running", "verdict": ""},
    ],
)
def test_only_a_judged_run_can_be_published(client: Client, ada, graded, changes) -> None:
    client.force_login(ada)
    publish(client, graded(ada, **changes))
    assert not PortfolioEntry.objects.exists()


def test_settings_make_it_public(client: Client, ada, graded, published) -> None:
    client.force_login(ada)
    publish(client, graded(ada))
    client.post(
        "/portfolio/",
        {"is_public": "on", "display_name": "Ada L.", "headline": "Hello", "about": "**me**"},
    )
    html = Client().get("/p/ada/").content.decode()
    assert "Ada L." in html
    assert "Hello" in html
    assert "<strong>me</strong>" in html


def test_a_headline_has_a_bound(client: Client, ada) -> None:
    client.force_login(ada)
    html = client.post("/portfolio/", {"headline": "x" * 161}).content.decode()
    assert 'aria-invalid="true"' in html


def test_entries_move_up_and_hide(client: Client, ada, graded, published) -> None:
    first, second = published(graded(ada)), published(graded(ada))
    client.force_login(ada)
    assert list(first.portfolio.entries.all()) == [second, first]
    client.post(f"/portfolio/{first.pk}/", {"action": "up"})
    assert list(first.portfolio.entries.all()) == [first, second]
    client.post(f"/portfolio/{first.pk}/", {"action": "hide"})
    assert list(first.portfolio.entries.all().shown()) == [second]


def test_ada_arranges_only_her_own(client: Client, ada, rita, graded, published) -> None:
    entry = published(graded(rita))
    client.force_login(ada)
    assert client.post(f"/portfolio/{entry.pk}/", {"action": "hide"}).status_code == 404


def test_a_draft_of_a_regrade_is_published_by_nobody(
    client: Client, ada, ivan, graded, published
) -> None:
    """Its verdict stood on the public page before the instructor let it out."""
    from submissions.models import RegradeBatch

    run = graded(ada)
    batch = RegradeBatch.objects.create(
        lab_version=run.lab_version, grader_version="1", started_by=ivan
    )
    run.batch = batch
    run.save()
    client.force_login(ada)
    assert client.post(f"/runs/{run.pk}/publish/", {"action": "publish"}).status_code == 404
    entry = published(run)
    assert not type(entry).objects.shown().filter(pk=entry.pk).exists()
    batch.published_at = timezone.now()
    batch.save()
    assert type(entry).objects.shown().filter(pk=entry.pk).exists()
