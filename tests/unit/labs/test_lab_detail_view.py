"""A lab's page and its starter."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from labs.contract import Sample, operations
from labs.models import Lab
from labs.sync import sync

pytestmark = pytest.mark.django_db


def page_of(client: Client) -> str:
    response = client.get(reverse("lab_detail", args=["echo-lab"]))
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_everything_of_the_lab(client: Client, content: Path) -> None:
    sync(content)
    page = page_of(client)
    for text in (
        "A parrot",
        "Fast enough",
        "at most 2 x R",
        "POST /echo",
        "Where time goes",
        "512",
        "No runs yet",
    ):
        assert text in page
    assert page.count("<h1") == 1
    assert "Sign in to submit" in page


def test_a_script_in_the_brief_is_dropped(client: Client, content: Path) -> None:
    """Attack: markdown_script."""
    (content / "labs" / "echo-lab" / "README.md").write_text(
        "# T\n<script>alert('brief')</script>\n[x](javascript:alert(1)) <img src=x "
        "onerror=alert(2)>\n"
    )
    sync(content)
    page = page_of(client)
    assert "<script>alert" not in page
    assert 'href="javascript:' not in page
    assert "<img src=x" not in page


def test_the_starter_is_a_zip_of_the_starter_folder(client: Client, content: Path) -> None:
    sync(content)
    response = client.get(reverse("starter", args=["echo-lab"]))
    assert response["Content-Disposition"] == 'attachment; filename="echo-lab-1.0.0.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert [n for n in archive.namelist() if n.endswith("Dockerfile")]


def test_a_retired_lab_can_be_read_but_takes_nothing(
    client: Client, content: Path, django_user_model
) -> None:
    sync(content)
    Lab.objects.update(retired=True)
    client.force_login(django_user_model.objects.create_user("ada", "ada@example.org", "x" * 12))
    page = page_of(client)
    assert "This lab is closed" in page
    assert 'type="file"' not in page


def test_unknown_lab_is_404(client: Client) -> None:
    assert client.get(reverse("lab_detail", args=["none"])).status_code == 404


def test_a_contract_becomes_samples() -> None:
    document = b"""
paths:
  /a:
    get: {responses: {"200": {description: ok, content: {text/event-stream: {}}}}}
    post:
      requestBody: {content: {application/json: {schema: {type: array, items: {enum: [red]}}}}}
      responses: {"422": {$ref: "#/components/responses/Bad"}}
components: {responses: {Bad: {description: refused, content: {application/json: {schema: {$ref: "#/loop"}}}}}}
loop: {$ref: "#/loop"}
"""
    get, post = operations(document)
    assert get.name == "GET /a"
    assert get.responses == (("200", "ok", (Sample("text/event-stream", ""),)),)
    assert post.request == (Sample("application/json", '[\n  "red"\n]'),)
    assert post.responses[0][:2] == ("422", "refused")


def test_an_example_stands_in_the_place_of_a_made_up_sample() -> None:
    document = b"""
paths:
  /a:
    post:
      responses:
        "200":
          description: ok
          content:
            application/json: {schema: {type: array}, example: [0.5], x-shortened: Two of three are left out.}
            text/event-stream: {example: "data: 1\\n\\n"}
"""
    (post,) = operations(document)
    whole, stream = post.responses[0][2]
    assert whole == Sample("application/json", "[\n  0.5\n]", "Two of three are left out.")
    assert stream == Sample("text/event-stream", "data: 1")


@pytest.mark.parametrize("document", [b"", b"- a", b"paths: 3", b"paths: {/a: 5}", b"{{{"])
def test_a_broken_contract_has_no_routes(document: bytes) -> None:
    assert operations(document) == []
