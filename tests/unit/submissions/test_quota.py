"""What uploads may cost: readers at a time, archives in an hour, bytes that are kept."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from grader.archive import dump
from labs.models import LabVersion
from storage import blobs
from submissions import intake, quota, tasks
from submissions.models import GradingRun, Submission

from .conftest import SNAPSHOT, zip_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh() -> None:
    cache.clear()


def test_refused_archives_count_and_the_hour_ends(
    ada: Any, version: LabVersion, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEATRIAL_UPLOADS_AN_HOUR = 3
    client.force_login(ada)

    def send() -> str:
        page = client.post(
            "/labs/echo-lab/submit", {"archive": SimpleUploadedFile("a.zip", zip_of({"x": b"1"}))}
        )
        assert page.status_code == 422
        return page.content.decode()

    for _ in range(3):
        assert "Dockerfile" in send()
    assert "You have sent 3 archives within this hour." in send()
    now = time.time()
    monkeypatch.setattr(quota.time, "time", lambda: now + quota.HOUR_S)
    assert "You have sent" not in send()


def test_one_archive_of_a_person_is_read_at_a_time(
    ada: Any, ivan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "PATIENCE_S", 0.2)
    with quota.reading(ada):
        with pytest.raises(quota.TooMuch, match="being read"), quota.reading(ada):
            pass
        with quota.reading(ivan):
            pass
    with quota.reading(ada):
        pass


def test_a_machine_reads_two_archives_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any number of people; a third one waits for a reader."""
    order: list[str] = []

    def one(number: int) -> None:
        with quota._one_of([f"reader-{n}" for n in range(quota.READERS)], time.monotonic() + 10):
            order.append("in")
            time.sleep(0.3)
            order.append("out")

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[:3] == ["in", "in", "out"]
    assert order.count("out") == 3


def test_what_is_kept_of_a_person_is_bounded(ada: Any, version: LabVersion, settings: Any) -> None:
    intake.accept(ada, version, SNAPSHOT)
    size = len(dump(SNAPSHOT))
    assert Submission.objects.get().size == size
    Submission.objects.update(size=settings.SEATRIAL_UPLOADS_MB * quota.MIB - size)
    quota.refuse_too_much(ada, size)
    with pytest.raises(quota.TooMuch, match="Your sources take 500 of the 500 MB"):
        quota.refuse_too_much(ada, size + 1)


def test_the_same_source_twice_is_kept_once(ada: Any, version: LabVersion, settings: Any) -> None:
    for _ in range(2):
        intake.accept(ada, version, SNAPSHOT)
    Submission.objects.update(size=300 * quota.MIB)
    quota.refuse_too_much(ada, 1)


def test_a_source_that_never_began_is_not_kept(ada: Any, version: LabVersion) -> None:
    run = intake.accept(ada, version, SNAPSHOT)
    blob = run.submission.blob
    intake.cancel(run)
    run = GradingRun.objects.get(pk=run.pk)
    assert (run.submission.blob, run.submission.size) == ("", 0)
    with pytest.raises(intake.NotPossible, match="not kept"):
        intake.regrade(run, ada)
    tasks.tidy()
    assert blobs.get(blob), "somebody may be storing it just now"
    _age(blob)
    tasks.tidy()
    with pytest.raises(blobs.BlobMissing):
        blobs.get(blob)
    assert intake.accept(ada, version, SNAPSHOT).submission.blob == blob
    assert blobs.get(blob)


def test_a_source_that_somebody_else_sent_too_stays(
    ada: Any, ivan: Any, version: LabVersion
) -> None:
    mine, theirs = intake.accept(ada, version, SNAPSHOT), intake.accept(ivan, version, SNAPSHOT)
    intake.cancel(mine)
    _age(theirs.submission.blob)
    _age(version.archive)
    tasks.tidy()
    assert blobs.get(theirs.submission.blob)
    assert blobs.get(version.archive)


def test_a_source_that_was_graded_stays_when_a_later_run_is_cancelled(
    ada: Any, version: LabVersion
) -> None:
    run = intake.accept(ada, version, SNAPSHOT)
    GradingRun.objects.update(state="finished", verdict="failed", started_at=run.created)
    again = GradingRun.objects.create(submission=run.submission, lab_version=version, seed="1")
    intake.cancel(again)
    assert Submission.objects.get().blob


def test_storing_again_makes_a_blob_young(settings: Any) -> None:
    digest = blobs.put(b"something")
    _age(digest)
    blobs.put(b"something")
    assert blobs.sweep(set()) == 0
    _age(digest)
    assert blobs.sweep({digest}) == 0
    assert blobs.sweep(set()) == 1


def _age(digest: str) -> None:
    path: Path = blobs._path(digest)
    os.utime(path, (1, 1))
