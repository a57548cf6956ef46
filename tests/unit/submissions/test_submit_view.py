"""The upload form, with and without script."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labs.models import Lab, LabVersion
from submissions import intake
from submissions.models import GradingRun, Submission

from .conftest import zip_of

pytestmark = pytest.mark.django_db
URL = "/labs/echo-lab/submit"


def upload(data: bytes, name: str = "project.zip") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def me(client: Client, ada: Any, version: LabVersion) -> Client:
    client.force_login(ada)
    return client


def test_visitors_are_asked_to_sign_in(client: Client, version: LabVersion, archive: Path) -> None:
    response = client.post(URL, {"archive": upload(archive.read_bytes())})
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))
    assert not Submission.objects.exists()


def test_an_archive_becomes_a_run(me: Client, archive: Path) -> None:
    response = me.post(
        URL, {"archive": upload(archive.read_bytes(), "../../evil.zip"), "note": "first"}
    )
    run = GradingRun.objects.get()
    assert response["Location"] == run.get_absolute_url()
    assert (run.submission.note, run.submission.filename) == ("first", "evil.zip")


def test_an_archive_that_is_posted_three_times_is_one_attempt(
    me: Client, ada: Any, archive: Path
) -> None:
    pages = [me.post(URL, {"archive": upload(archive.read_bytes())})["Location"] for _ in range(3)]
    run = GradingRun.objects.get()
    assert pages == [run.get_absolute_url()] * 3
    run.state = GradingRun.State.CANCELLED
    run.save()
    assert (
        me.post(URL, {"archive": upload(archive.read_bytes())})["Location"]
        != run.get_absolute_url()
    )


def test_the_same_source_may_be_handed_in_again_later(me: Client, archive: Path) -> None:
    me.post(URL, {"archive": upload(archive.read_bytes())})
    GradingRun.objects.update(
        state="finished", verdict="failed", created=timezone.now() - timedelta(minutes=5)
    )
    me.post(URL, {"archive": upload(archive.read_bytes())})
    assert [s.number for s in Submission.objects.order_by("number")] == [1, 2]


def test_htmx_is_sent_to_the_run(me: Client, archive: Path) -> None:
    response = me.post(
        URL, {"archive": upload(archive.read_bytes())}, headers={"HX-Request": "true"}
    )
    assert response["HX-Redirect"] == GradingRun.objects.get().get_absolute_url()


@pytest.mark.parametrize("data", [b"", b"PK not a zip", b"\x1f\x8b\x08broken"])
def test_a_refused_archive_shows_why_and_keeps_the_note(me: Client, data: bytes) -> None:
    response = me.post(URL, {"archive": upload(data, "mine<b>.zip"), "note": "my <note>"})
    page = response.content.decode()
    assert response.status_code == 422
    assert "drop--refused" in page
    assert 'role="alert"' in page
    assert "my &lt;note&gt;" in page
    assert "mine&lt;b&gt;.zip" in page or "No archive was chosen" in page or "empty" in page
    assert not Submission.objects.exists()


def test_a_refused_archive_comes_back_as_fragment_for_htmx(me: Client) -> None:
    response = me.post(URL, {"archive": upload(b"nothing")}, headers={"HX-Request": "true"})
    page = response.content.decode()
    assert response.status_code == 200
    assert 'id="submit-form"' in page
    assert "<html" not in page
    assert "drop--refused" in page


def test_no_file_is_said_plainly(me: Client) -> None:
    assert "No archive was chosen" in me.post(URL, {"note": "x"}).content.decode()


def test_no_dockerfile_is_refused_before_it_costs_an_attempt(me: Client, tmp_path: Path) -> None:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", "print(1)")
        archive.writestr("lib.py", "print(2)")
    page = me.post(URL, {"archive": upload(out.getvalue())}).content.decode()
    assert "There is no Dockerfile" in page
    assert not Submission.objects.exists()


def test_more_than_the_limit_is_not_even_copied(
    me: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_UPLOAD", 1000)
    monkeypatch.setattr(intake, "read_archive", lambda *a, **k: pytest.fail("was read"))
    page = me.post(URL, {"archive": upload(b"x" * 5000)}).content.decode()
    assert "MB are allowed" in page


def test_a_third_unfinished_run_is_refused_with_the_reason(me: Client, archive: Path) -> None:
    texts = [
        zip_of({"Dockerfile": b"FROM seatrial/runtime:1\n", "app.py": b"%d" % number})
        for number in range(3)
    ]
    responses = [me.post(URL, {"archive": upload(text)}) for text in texts]
    response = responses[-1]
    assert "You have 2 runs that are not finished yet" in response.content.decode()
    assert GradingRun.objects.count() == 2


def test_a_retired_lab_takes_nothing(me: Client, archive: Path) -> None:
    Lab.objects.update(retired=True)
    me.post(URL, {"archive": upload(archive.read_bytes())})
    assert not Submission.objects.exists()
