"""The catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from labs.sync import sync

pytestmark = pytest.mark.django_db


def get(client: Client, **query: str) -> str:
    response = client.get(reverse("lab_list"), query)
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_installed_labs_to_anybody_and_counts_the_planned_ones(
    client: Client, content: Path
) -> None:
    sync(content)
    page = get(client)
    assert "Say it again" in page
    assert "1 more is planned." in page
    assert page.count('class="lab-row"') == 1
    assert "1 more of this track is planned: " in get(client, track="infra")
    assert "planned" not in get(client, q="absent")
    assert "Infrastructure" in page
    assert "Model servers" in page


def test_an_empty_catalogue_says_what_to_do(client: Client) -> None:
    assert "No labs yet" in get(client)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "REPEATS"}, True),
        ({"q": "model servers"}, True),
        ({"q": "absent"}, False),
        ({"level": "2"}, True),
        ({"level": "3"}, False),
        ({"level": "nonsense"}, True),
        ({"skill": "serve"}, True),
        ({"skill": "other"}, False),
        ({"track": "infra"}, True),
        ({"state": "passed"}, False),
        ({"state": "open"}, True),
    ],
)
def test_filters(client: Client, content: Path, query: dict[str, str], found: bool) -> None:
    sync(content)
    page = get(client, **query)
    assert ('class="cover"' in page) is found


def test_a_filter_that_fits_nothing_can_be_cleared(client: Client, content: Path) -> None:
    sync(content)
    assert "Nothing matches" in get(client, q="absent")


def test_htmx_gets_the_fragment_alone(client: Client, content: Path) -> None:
    sync(content)
    page = client.get(reverse("lab_list"), headers={"HX-Request": "true"}).content.decode()
    assert page.lstrip().startswith('<div id="labs"')
    assert "<html" not in page


def test_search_text_is_escaped(client: Client) -> None:
    page = get(client, q='"><script>x</script>')
    assert "<script>x" not in page
