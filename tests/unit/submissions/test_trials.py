"""What is only tried: graded like everything else, but no attempt, never public, with a quota of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from grader.events import Event, RunFinished
from grader.job import GradingJob
from grader.result import RunResult, Verdict
from labs import progress
from labs.models import LabVersion
from portfolios.reading import systems
from portfolios.services import CannotPublish, publish
from submissions import intake, queue, regrading, tasks
from submissions.intake import NotPossible, TooManyRuns, Trial
from submissions.models import GradingRun

pytestmark = pytest.mark.django_db
State = GradingRun.State


@pytest.fixture
def attempt(version: LabVersion, ada: Any, archive: Path) -> Callable[..., GradingRun]:
    """Submit the archive; ``trial``: only try it. Further fields are set as given."""

    def send(trial: Trial | None = None, **fields: Any) -> GradingRun:
        run = intake.submit(ada, version, archive, trial=trial)
        GradingRun.objects.filter(pk=run.pk).update(**fields) if fields else None
        return GradingRun.objects.get(pk=run.pk)

    return send


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def over(verdict: str = "passed", **fields: Any) -> dict[str, Any]:
    now = timezone.now() - timedelta(minutes=1)
    times = {
        "created": now - timedelta(minutes=3),
        "started_at": now - timedelta(minutes=2),
        "finished_at": now,
    }
    return {"state": State.FINISHED, "verdict": verdict, "score": 100, **times, **fields}


def test_a_try_is_no_attempt(
    attempt: Callable[..., GradingRun], ada: Any, version: LabVersion
) -> None:
    tried = attempt(Trial(), **over())
    real = attempt(**over("failed"))
    again = attempt(Trial(("fast",)), **over())
    assert [run.submission.number for run in (tried, real, again)] == [None, 1, None]
    assert [run.submission.name for run in (tried, real)] == ["try", "attempt 1"]
    assert [run.counts for run in (tried, real, again)] == [False, True, False]
    assert [run.only for run in (tried, real, again)] == [[], [], ["fast"]]
    standing = progress.standings(ada)["echo-lab"]
    assert (standing.best, standing.last.pk) == ("failed", real.pk), "a try that passed is no pass"
    assert [row.name for row in progress.own_runs(ada, "echo-lab").rows] == [
        "try",
        "attempt 1",
        "try",
    ]
    assert [run.pk for run in regrading.candidates(version)] == [real.pk]


def test_a_try_is_never_public(attempt: Callable[..., GradingRun], ada: Any) -> None:
    tried, real = attempt(Trial(), **over()), attempt(**over())
    with pytest.raises(CannotPublish):
        publish(tried, ada)
    client = signed_in(ada)
    assert client.post(f"/runs/{tried.pk}/publish/", {"action": "publish"}).status_code == 404
    entry = publish(real, ada)
    (system,) = systems([entry])
    assert [run.pk for run in system.runs] == [real.pk]
    assert system.count.total == 1
    assert b"/publish/" not in client.get(tried.get_absolute_url()).content


def test_tries_have_a_quota_of_their_own(
    attempt: Callable[..., GradingRun], ada: Any, version: LabVersion
) -> None:
    attempt()
    first = attempt(Trial())
    with pytest.raises(TooManyRuns, match="not finished"):
        attempt(Trial(("fast",)))
    assert attempt(Trial()).pk == first.pk, "the form was sent twice"
    assert GradingRun.objects.filter(trial=False).unfinished().count() == 1
    GradingRun.objects.filter(trial=True).update(**over())
    for _ in range(intake.TRIALS_A_DAY - 1):
        attempt(Trial(), **over())
    with pytest.raises(TooManyRuns, match="20 times within a day"):
        attempt(Trial())
    GradingRun.objects.filter(pk=first.pk).update(
        created=timezone.now() - timedelta(days=1, minutes=1)
    )
    attempt(Trial())
    assert queue.typical_s("echo-lab") == queue.FALLBACK_S, (
        "how long tries take says nothing about attempts"
    )


def test_criteria_that_do_not_exist_are_refused_and_all_of_them_are_none(
    attempt: Callable[..., GradingRun],
) -> None:
    with pytest.raises(NotPossible, match="no criterion"):
        attempt(Trial(("fast", "nonsense\x00")))
    assert GradingRun.objects.count() == 0
    assert attempt(Trial(("fast", "contract", "fast"))).only == []


def test_the_worker_grades_what_was_chosen(
    attempt: Callable[..., GradingRun], monkeypatch: pytest.MonkeyPatch, failed_result: RunResult
) -> None:
    jobs: list[GradingJob] = []

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        jobs.append(job)
        chosen = [r for r in failed_result.criteria if r.criterion == "contract"]
        update = {"criteria": chosen, "verdict": Verdict.PASSED}
        yield RunFinished(result=failed_result.model_copy(update=update))

    monkeypatch.setattr(tasks.engine, "run", run)
    monkeypatch.setattr(tasks, "make_sandbox", lambda: None)
    tried = attempt(Trial(("contract",)))
    tasks.run_grading(tried.pk)
    assert jobs[0].only == {"contract"}
    assert GradingRun.objects.get(pk=tried.pk).verdict == "passed"


def test_a_try_is_checked_again_as_a_try_and_handed_in_as_an_attempt(
    attempt: Callable[..., GradingRun], ada: Any, ivan: Any
) -> None:
    tried = attempt(Trial(("fast",)), **over())
    again = intake.regrade(tried, ada)
    assert (again.trial, again.only) == (True, ["fast"])
    client = signed_in(ada)
    answer = client.post(f"/runs/{tried.pk}/hand-in")
    handed = GradingRun.objects.get(trial=False)
    assert answer["Location"] == handed.get_absolute_url()
    assert (handed.only, handed.submission.number, handed.submission.digest) == (
        [],
        1,
        tried.submission.digest,
    )
    client.post(f"/runs/{tried.pk}/hand-in")
    assert GradingRun.objects.filter(trial=False).count() == 1, "pressed twice is once"
    client.post(f"/runs/{handed.pk}/hand-in")
    assert GradingRun.objects.filter(trial=False).count() == 1
    assert signed_in(ivan).post(f"/runs/{tried.pk}/hand-in").status_code in (302, 404)
    assert GradingRun.objects.filter(trial=False).count() == 1


def test_the_form(ada: Any, version: LabVersion, archive: Path) -> None:
    client = signed_in(ada)
    page = client.get("/labs/echo-lab/").content.decode()
    assert 'value="try"' in page
    assert page.count('name="only"') == 2
    upload = SimpleUploadedFile("p.zip", archive.read_bytes())
    client.post("/labs/echo-lab/submit", {"archive": upload, "what": "try", "only": ["fast"]})
    tried = GradingRun.objects.get()
    assert (tried.trial, tried.only) == (True, ["fast"])
    shown = client.get(tried.get_absolute_url()).content.decode()
    assert "A try: no attempt" in shown
    assert "1 of 2 criteria" in shown
    upload = SimpleUploadedFile("p.zip", archive.read_bytes() + b" ")
    refused = client.post(
        "/labs/echo-lab/submit",
        {"archive": upload, "what": "try", "only": ["contract"]},
        headers={"HX-Request": "true"},
    ).content.decode()
    assert "A try of yours is not finished yet." in refused
    assert 'value="contract"' in refused
