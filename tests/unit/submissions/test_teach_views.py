"""The instructor's pages: versions, and what proves each of them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from grader.lab import LabContent, LabSpec, SourceFile, tree_digest
from labs.models import Draft, Lab, LabVersion
from labs.sync import publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def proven(version: LabVersion) -> LabVersion:
    files = dict(version.content.files)
    for name, text in (
        ("reference", "verdict: passed\n"),
        ("wrong_slow", "verdict: failed\nbecause: it sleeps before it answers\nfails: [fast]\n"),
    ):
        files[PurePosixPath(f"submissions/{name}/Dockerfile")] = SourceFile(
            b"FROM seatrial/runtime:1\n"
        )
        files[PurePosixPath(f"submissions/{name}/expect.yaml")] = SourceFile(text.encode())
    publish(
        LabContent(
            LabSpec.model_validate({**version.spec, "version": "1.1.0"}), files, tree_digest(files)
        )
    )
    current = Lab.objects.get().current
    assert current is not None
    return current


def test_a_version_shows_its_proofs_and_what_they_prove(
    client: Client, ivan: Any, proven: LabVersion
) -> None:
    client.force_login(ivan)
    assert (
        reverse("teach_version", args=[proven.pk]) in client.get(reverse("teach")).content.decode()
    )
    text = client.get(reverse("teach_version", args=[proven.pk])).content.decode()
    for part in (
        "wrong_slow",
        "it sleeps before it answers",
        "reference",
        "starter",
        "Fast enough",
    ):
        assert part in text, part
    contract, fast = text[text.index("Rubric") :].split("<tr")[2:4]
    assert "no</td>" in contract
    assert "yes</td>" in fast


def test_only_instructors_see_it(client: Client, ada: Any, proven: LabVersion) -> None:
    client.force_login(ada)
    assert client.get(reverse("teach_version", args=[proven.pk])).status_code == 403


def test_an_unknown_version_is_404(client: Client, ivan: Any, version: LabVersion) -> None:
    client.force_login(ivan)
    assert client.get(reverse("teach_version", args=[version.pk + 99])).status_code == 404


def test_every_state_of_a_version_has_its_name(
    client: Client, ivan: Any, proven: LabVersion
) -> None:
    Lab.objects.update(standing="proven")
    Draft.objects.create(
        slug="next-lab", label="0.1.0", digest="ab" * 32, standing="draft: 3 of 9 proven"
    )
    client.force_login(ivan)
    text = client.get(reverse("teach")).content.decode()
    for part in ("next-lab", "Draft", "draft: 3 of 9 proven", "Live", ">proven<", "Replaced"):
        assert part in text, part
    assert "Retired" not in text
    Lab.objects.update(retired=True)
    text = client.get(reverse("teach")).content.decode()
    assert "Retired" in text
    assert "Live" not in text
