"""The chance of one source over all its runs is bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from grader.result import RunResult, Verdict
from labs import progress
from labs.models import LabVersion
from portfolios.services import CannotPublish, publish
from submissions import intake, leases, luck
from submissions.luck import TooOften
from submissions.models import GradingRun

pytestmark = pytest.mark.django_db
Grade = Callable[..., GradingRun]


@pytest.fixture
def grade(failed_result: RunResult) -> Grade:
    """Claim the queued run and end it with this verdict, so many hours ago."""

    def end(run: GradingRun, verdict: str = "failed", hours_ago: float = 0) -> GradingRun:
        taken = leases.claim("w")
        assert taken is not None
        assert taken.pk == run.pk
        leases.finish(
            run.pk, taken.fence, failed_result.model_copy(update={"verdict": Verdict(verdict)})
        )
        GradingRun.objects.filter(pk=run.pk).update(
            created=timezone.now() - timedelta(hours=hours_ago)
        )
        return GradingRun.objects.get(pk=run.pk)

    return end


def test_a_failed_source_is_graded_again_once_a_day(
    ada: Any, version: LabVersion, archive: Path, grade: Grade
) -> None:
    first = grade(intake.submit(ada, version, archive), hours_ago=3)
    again = grade(intake.regrade(first, ada), hours_ago=2)
    for ask in (lambda: intake.regrade(again, ada), lambda: intake.submit(ada, version, archive)):
        with pytest.raises(TooOften, match="graded again within a day already") as caught:
            ask()
        assert "come back in 22 h" in caught.value.advice
    GradingRun.objects.filter(pk=first.pk).update(created=timezone.now() - timedelta(hours=40))
    with pytest.raises(TooOften):
        intake.regrade(again, ada)
    GradingRun.objects.filter(pk=again.pk).update(created=timezone.now() - timedelta(hours=25))
    third = grade(intake.regrade(again, ada))
    with pytest.raises(TooOften):
        intake.regrade(third, ada)


def test_a_new_source_is_free(
    ada: Any, version: LabVersion, archive: Path, grade: Grade, zipped: Any
) -> None:
    grade(grade_twice(ada, version, archive, grade))
    other = zipped({"Dockerfile": b"FROM seatrial/runtime:1\n", "app.py": b"print(2)\n"})
    assert intake.submit(ada, version, other).submission.number == 2


def grade_twice(ada: Any, version: LabVersion, archive: Path, grade: Grade) -> GradingRun:
    return intake.regrade(grade(intake.submit(ada, version, archive)), ada)


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    import zipfile

    def make(files: dict[str, bytes]) -> Path:
        path = tmp_path / "other.zip"
        with zipfile.ZipFile(path, "w") as out:
            for name, data in files.items():
                out.writestr(name, data)
        return path

    return make


def test_inconclusive_runs_are_repeated_a_few_times_only(
    ada: Any, version: LabVersion, archive: Path, grade: Grade
) -> None:
    run = grade(intake.submit(ada, version, archive), "inconclusive")
    for _ in range(luck.AGAIN_OPEN):
        run = grade(intake.regrade(run, ada), "inconclusive")
    with pytest.raises(TooOften):
        intake.regrade(run, ada)


def test_what_broke_on_our_side_and_tries_are_free(
    ada: Any, version: LabVersion, archive: Path, grade: Grade
) -> None:
    run = grade(intake.submit(ada, version, archive))
    for _ in range(3):
        run = grade(intake.regrade(run, ada), "errored")
    tried = grade(intake.submit(ada, version, archive, trial=intake.Trial()))
    grade(intake.regrade(tried, ada))
    grade(intake.regrade(run, ada), "failed")
    with pytest.raises(TooOften):
        intake.regrade(run, ada)


def test_a_pass_by_patience_needs_the_majority(
    ada: Any, version: LabVersion, archive: Path, grade: Grade
) -> None:
    first = grade(intake.submit(ada, version, archive), "failed", hours_ago=30)
    lucky = grade(intake.regrade(first, ada), "passed", hours_ago=25)
    assert lucky.outvoted
    assert progress.standings(ada)["echo-lab"].best == "failed"
    with pytest.raises(CannotPublish, match="runs of this source failed"):
        publish(lucky, ada)
    client = Client()
    client.force_login(ada)
    assert "does not count yet" in client.get(lucky.get_absolute_url()).content.decode()
    sure = grade(intake.regrade(lucky, ada), "passed")
    assert not sure.outvoted
    assert progress.standings(ada)["echo-lab"].best == "passed"
    publish(sure, ada)


def test_a_pass_at_once_counts(ada: Any, version: LabVersion, archive: Path, grade: Grade) -> None:
    assert not grade(intake.submit(ada, version, archive), "passed").outvoted


def test_an_instructor_may_always_grade_again(
    ada: Any, ivan: Any, version: LabVersion, archive: Path, grade: Grade
) -> None:
    run = grade(grade_twice(ada, version, archive, grade))
    assert grade(intake.regrade(run, ivan)).submission_id == run.submission_id
