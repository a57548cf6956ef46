"""Submit, claim, lease, fence, finish, cancel, regrade, reclaim."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from grader.archive import parse
from grader.errors import ArchiveRefused
from grader.result import RunResult, Verdict
from labs.models import LabVersion
from storage import blobs
from submissions import intake, leases
from submissions.models import CheckResult, Evidence, GradingRun, RunEvent, Submission
from submissions.signals import run_finished

from .conftest import zip_of

pytestmark = pytest.mark.django_db
State = GradingRun.State
Make = Callable[..., GradingRun]


def result(verdict: Verdict = Verdict.PASSED, **fields: Any) -> RunResult:
    base = {
        "lab": "echo-lab",
        "lab_version": "0" * 64,
        "grader_version": "1",
        "seed": "s",
        "score": 88,
    }
    return RunResult(verdict=verdict, **{**base, **fields})


def test_submit_stores_the_source_and_rings_on_commit(
    ada: Any,
    version: LabVersion,
    archive: Path,
    rings: list[int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = intake.submit(ada, version, archive, filename="p.zip", note="a\x00note")
        assert rings == []
    assert rings == [run.pk]
    submission = run.submission
    assert (submission.number, submission.note, run.state) == (1, "a\ufffdnote", State.QUEUED)
    snapshot = parse(blobs.get(submission.blob))
    assert snapshot.digest == submission.digest
    assert {str(p) for p in snapshot.files} == {"Dockerfile", "app.py"}


def test_numbers_count_per_learner_and_lab(ada: Any, ivan: Any, make_run: Make) -> None:
    assert [make_run(u).submission.number for u in (ada, ivan, ada)] == [1, 1, 2]


def test_a_refused_archive_leaves_nothing(ada: Any, version: LabVersion, tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"not an archive at all")
    with pytest.raises(ArchiveRefused):
        intake.submit(ada, version, bad)
    assert not Submission.objects.exists()


def test_a_huge_upload_is_refused_unread(
    ada: Any, version: LabVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "read_archive", lambda *a, **k: pytest.fail("was read"))
    huge = tmp_path / "huge.zip"
    with huge.open("wb") as file:
        file.truncate(intake.MAX_UPLOAD + 1)
    with pytest.raises(ArchiveRefused, match="10 MB are allowed"):
        intake.submit(ada, version, huge)


def test_concurrent_submit_limit(ada: Any, ivan: Any, make_run: Make) -> None:
    """Attack: concurrent_submit_limit."""
    first, _ = make_run(ada), make_run(ada)
    with pytest.raises(intake.TooManyRuns, match="2 runs"):
        make_run(ada)
    make_run(ivan)
    intake.cancel(first)
    make_run(ada)


def test_claim_takes_the_oldest_once(ada: Any, make_run: Make) -> None:
    first, second = make_run(ada), make_run(ada)
    one, two, none = leases.claim("w1"), leases.claim("w2"), leases.claim("w3")
    assert one is not None
    assert two is not None
    assert none is None
    assert [one.pk, two.pk] == [first.pk, second.pk]
    assert (one.state, one.fence, one.tries, one.worker) == (State.RUNNING, 1, 1, "w1")


def test_a_claim_that_loses_the_race_takes_the_next(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker takes the candidate between our look and our update."""
    first, second = make_run(ada), make_run(ada)
    look = type(GradingRun.objects.all()).first
    stolen: list[int] = []

    def first_then_stolen(queryset: Any) -> Any:
        found = look(queryset)
        if not stolen and found is not None:
            stolen.append(found.pk)
            GradingRun.objects.filter(pk=found.pk).update(state=State.RUNNING, fence=1)
        return found

    monkeypatch.setattr(type(GradingRun.objects.all()), "first", first_then_stolen)
    mine = leases.claim("w")
    assert stolen == [first.pk]
    assert mine is not None
    assert mine.pk == second.pk
    assert GradingRun.objects.get(pk=first.pk).tries == 0


def test_finish_sets_the_verdict_and_sends_the_signal(
    ada: Any, make_run: Make, django_capture_on_commit_callbacks: Any
) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    heard: list[int] = []

    def listen(run: GradingRun, **kwargs: Any) -> None:
        heard.append(run.pk)

    run_finished.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            done = leases.finish(run.pk, run.fence, result())
    finally:
        run_finished.disconnect(listen)
    assert (done.state, done.verdict, done.score, done.outcome) == (
        State.FINISHED,
        "passed",
        88,
        "passed",
    )
    assert done.lease_until is None
    assert heard == [run.pk]


def test_not_gradable_has_no_score_and_counts(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    done = leases.finish(
        run.pk, run.fence, result(Verdict.NOT_GRADABLE, reason="it\x1b[2J died", score=0)
    )
    assert (done.score, done.counts, done.reason) == (None, True, "it\ufffd[2J died")


def test_a_stale_fence_is_refused_everywhere(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    GradingRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    with pytest.raises(leases.LeaseLost):
        leases.finish(run.pk, run.fence, result())
    assert not leases.renew_lease(run.pk, run.fence)
    assert leases.should_stop(run.pk, run.fence)
    assert not leases.is_alive(str(run.pk), run.fence)
    leases.give_back(run.pk, run.fence, "why")
    now = GradingRun.objects.get(pk=run.pk)
    assert (now.state, now.verdict) == (State.RUNNING, "")


def test_a_verdict_is_final(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    leases.finish(run.pk, run.fence, result())
    with pytest.raises(leases.LeaseLost):
        leases.finish(run.pk, run.fence, result(Verdict.FAILED))
    assert GradingRun.objects.get(pk=run.pk).verdict == "passed"


def test_cancel_in_the_queue_and_while_running(ada: Any, make_run: Make) -> None:
    queued = make_run(ada)
    intake.cancel(queued)
    assert GradingRun.objects.get(pk=queued.pk).state == State.CANCELLED
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    intake.cancel(run)
    assert leases.should_stop(run.pk, run.fence)
    done = leases.finish(run.pk, run.fence, result(Verdict.CANCELLED))
    assert (done.state, done.verdict, done.score, done.counts) == (State.CANCELLED, "", None, False)


def test_regrade_adds_a_run_with_a_new_seed(ada: Any, make_run: Make) -> None:
    old = make_run(ada, state=State.FINISHED, verdict="failed")
    new = intake.regrade(old, ada)
    assert new.pk != old.pk
    assert new.submission_id == old.submission_id
    assert new.lab_version_id == old.lab_version_id
    assert new.seed != old.seed
    assert GradingRun.objects.get(pk=old.pk).verdict == "failed"
    with pytest.raises(intake.NotPossible):
        intake.regrade(new, ada)


def expire(run: GradingRun) -> None:
    GradingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_reclaim_queues_again_and_clears_the_broken_try(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("dead")
    assert run is not None
    RunEvent.objects.create(run=run, seq=1, payload={"type": "log"})
    CheckResult.objects.create(
        run=run, criterion="contract", outcome="passed", points=1, payload={}
    )
    Evidence.objects.create(run=run, name="a", media_type="text/plain", digest="0", blob="0")
    assert leases.reclaim() == []
    expire(run)
    assert leases.reclaim() == [run.pk]
    again = leases.claim("alive")
    assert again is not None
    assert (again.pk, again.tries) == (run.pk, 2)
    assert again.fence > run.fence + 1
    assert not again.events.exists()
    assert not again.check_results.exists()
    assert not again.evidence.exists()
    with pytest.raises(leases.LeaseLost):
        leases.finish(run.pk, run.fence, result())
    assert leases.finish(again.pk, again.fence, result()).verdict == "passed"


def test_a_clock_that_is_set_back_keeps_no_dead_run(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ada)
    taken = leases.claim("w1")
    assert taken is not None
    earlier = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: earlier)
    now = GradingRun.objects.get(pk=run.pk)
    assert now.took == timedelta()
    assert leases.renew_lease(run.pk, taken.fence), (
        "its worker lives and renews: the run stays with it"
    )
    assert leases.reclaim() == []
    GradingRun.objects.filter(pk=run.pk).update(
        lease_until=earlier + timedelta(hours=1, seconds=20)
    )
    assert leases.reclaim() == [run.pk], "a lease from the time before ends at once"


def test_after_three_tries_the_run_is_lost(ada: Any, make_run: Make) -> None:
    made = make_run(ada)
    for _ in range(leases.MAX_TRIES):
        run = leases.claim("w")
        assert run is not None
        expire(run)
        leases.reclaim()
    assert leases.claim("w") is None
    lost = GradingRun.objects.get(pk=made.pk)
    assert (lost.state, lost.verdict, lost.outcome, lost.counts) == (
        State.LOST,
        "errored",
        "errored",
        False,
    )


def test_a_cancelled_run_is_not_tried_again(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    intake.cancel(run)
    expire(run)
    assert leases.reclaim() == []
    assert GradingRun.objects.get(pk=run.pk).state == State.CANCELLED


def test_giving_back_costs_no_try(ada: Any, make_run: Make) -> None:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    leases.give_back(run.pk, run.fence, "Grading is paused.")
    waiting = GradingRun.objects.get(pk=run.pk)
    assert (waiting.state, waiting.tries, waiting.reason) == (State.QUEUED, 0, "Grading is paused.")


def test_a_dockerfile_that_cannot_build_costs_no_attempt(
    ada: Any, version: LabVersion, tmp_path: Path
) -> None:
    """Every fault at once, with its line; nothing is stored."""
    path = tmp_path / "bad.zip"
    path.write_bytes(
        zip_of({"Dockerfile": b"FROM python:3.12-alpine\nENV A\nCOPY nothing.txt /\n"})
    )
    with pytest.raises(ArchiveRefused) as caught:
        intake.submit(ada, version, path)
    assert (
        len(
            [
                line
                for line in caught.value.message.splitlines()
                if line.startswith("Dockerfile line")
            ]
        )
        == 3
    )
    assert "glibc" in caught.value.message
    assert not Submission.objects.exists()
    path.write_bytes(zip_of({"Dockerfile": b"FROM python:3.12-slim\nRUN pip install fastapi\n"}))
    assert intake.submit(ada, version, path).pk
