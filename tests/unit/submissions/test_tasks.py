"""The worker's task, with engines that behave and engines that don't."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from grader import slots
from grader.errors import EngineUnavailable
from grader.events import CheckFinished, Event, LogLine, PhaseFinished, PhaseStarted, RunFinished
from grader.job import GradingJob
from grader.result import RunResult, Verdict
from submissions import intake, leases, tasks
from submissions.models import GradingRun

pytestmark = pytest.mark.django_db
State = GradingRun.State


@pytest.fixture(autouse=True)
def own_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SLOT_DIR", str(tmp_path / "slots"))
    monkeypatch.setenv("SEATRIAL_SLOTS", "1")


Make = Callable[..., GradingRun]


class SandboxStub:
    def __init__(self) -> None:
        self.swept: list[bool] = []

    def check(self) -> None:
        return None

    def sweep(self, *, is_alive: Callable[[str, int], bool]) -> int:
        self.swept.append(is_alive("1", 1))
        return 0


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> SandboxStub:
    stub = SandboxStub()
    monkeypatch.setattr(tasks, "make_sandbox", lambda: stub)
    return stub


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, failed_result: RunResult) -> list[GradingJob]:
    """An engine that reports a failed run; the list holds the jobs that it got."""
    seen: list[GradingJob] = []

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        seen.append(job)
        assert len(installation) == 32
        return events()

    def events() -> Iterator[Event]:
        yield PhaseStarted(phase="build")
        yield LogLine(source="build", text="Step 1")
        yield PhaseFinished(phase="build", ok=True, seconds=1.5)
        for result in failed_result.criteria:
            yield CheckFinished(result=result)
        yield RunFinished(result=failed_result)

    monkeypatch.setattr(tasks.engine, "run", run)
    return seen


def state_of(settings: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(settings.SEATRIAL_HOME) / "engine.json").read_text())
    return data


def test_a_run_goes_from_the_queue_to_its_verdict(
    ada: Any, make_run: Make, jobs: list[GradingJob]
) -> None:
    run = make_run(ada)
    tasks.run_grading(run.pk)
    done = GradingRun.objects.get(pk=run.pk)
    assert (done.state, done.verdict, done.score, done.tries) == (State.FINISHED, "failed", 40, 1)
    assert done.check_results.count() == 2
    assert [e.payload["type"] for e in done.events.all()][:3] == [
        "phase_started",
        "log",
        "phase_finished",
    ]
    (job,) = jobs
    assert (job.run_id, job.fence, job.seed) == (str(run.pk), 1, run.seed)
    assert job.lab.digest == run.lab_version.digest


def test_a_doubled_bell_grades_once(ada: Any, make_run: Make, jobs: list[GradingJob]) -> None:
    run = make_run(ada)
    tasks.run_grading(run.pk)
    tasks.run_grading(run.pk)
    tasks.run_grading(999)
    assert len(jobs) == 1


def test_after_a_run_the_bell_rings_for_the_next(
    ada: Any, make_run: Make, jobs: list[GradingJob], rings: list[int]
) -> None:
    first, second = make_run(ada), make_run(ada)
    rings.clear()
    tasks.run_grading(second.pk)
    assert GradingRun.objects.get(pk=first.pk).is_over
    assert rings == [second.pk]


def test_one_run_at_a_time_on_a_machine(
    ada: Any,
    make_run: Make,
    jobs: list[GradingJob],
    rings: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker leaves the line after a moment and comes back; meanwhile the place is kept."""
    run = make_run(ada)
    monkeypatch.setattr(tasks, "IN_LINE_S", 0.0)
    rings.clear()
    with slots.machine_slot(lambda _line: None):
        tasks.run_grading(run.pk)
        late = slots.new_ticket()
        with slots.slot(late, give_up=lambda: True):
            assert [ticket.who for ticket in slots.waiting()] == ["site"]
    assert jobs == []
    assert GradingRun.objects.get(pk=run.pk).state == State.QUEUED
    assert rings == [run.pk]
    with slots.slot(slots.new_ticket(), give_up=lambda: True) as free:
        assert not free, "a newcomer does not overtake the run that waits"
    tasks.run_grading(run.pk)
    assert len(jobs) == 1


def test_the_next_run_keeps_its_place_before_the_slot_is_free(
    ada: Any, make_run: Make, jobs: list[GradingJob]
) -> None:
    first, second = make_run(ada), make_run(ada)
    tasks.run_grading(first.pk)
    (ticket,) = slots.waiting()
    assert ticket.key.endswith(f"-{second.pk}")
    assert abs(ticket.arrived / 1e9 - second.created.timestamp()) < 0.01


def test_without_an_engine_the_run_waits_and_the_site_knows(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        raise EngineUnavailable("No engine answers.", "Start it.")

    monkeypatch.setattr(tasks.engine, "run", run)
    waiting = make_run(ada)
    tasks.run_grading(waiting.pk)
    now = GradingRun.objects.get(pk=waiting.pk)
    assert (now.state, now.tries) == (State.QUEUED, 0)
    assert "paused" in now.reason
    assert state_of(settings) == {
        **state_of(settings),
        "ready": False,
        "message": "No engine answers.",
    }


def test_a_bug_of_ours_is_errored_and_costs_no_attempt(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        yield PhaseStarted(phase="build")
        raise ZeroDivisionError

    monkeypatch.setattr(tasks.engine, "run", run)
    made = make_run(ada)
    tasks.run_grading(made.pk)
    now = GradingRun.objects.get(pk=made.pk)
    assert (now.state, now.verdict, now.counts) == (State.FINISHED, "errored", False)
    assert "ZeroDivisionError" in now.reason


def test_a_worker_that_lost_its_run_stops_and_tears_down(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch, failed_result: RunResult
) -> None:
    torn_down: list[bool] = []

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        try:
            yield PhaseStarted(phase="build")
            GradingRun.objects.filter(pk=int(job.run_id)).update(
                fence=job.fence + 1
            )  # reclaimed meanwhile
            yield PhaseStarted(phase="deploy")
            yield RunFinished(result=failed_result)
        finally:
            torn_down.append(True)

    monkeypatch.setattr(tasks.engine, "run", run)
    made = make_run(ada)
    tasks.run_grading(made.pk)
    now = GradingRun.objects.get(pk=made.pk)
    assert (now.state, now.verdict, now.events.count()) == (State.RUNNING, "", 1)
    assert torn_down == [True]


def engine_lost(failed: RunResult) -> Callable[..., Iterator[Event]]:
    lost = failed.model_copy(update={"verdict": Verdict.ERRORED, "engine_lost": True})

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        yield PhaseStarted(phase="grade")
        for result in failed.criteria:
            yield CheckFinished(result=result)
        yield RunFinished(result=lost)

    return run


def test_an_engine_that_is_lost_in_mid_run_puts_the_run_back(
    ada: Any,
    make_run: Make,
    monkeypatch: pytest.MonkeyPatch,
    failed_result: RunResult,
    rings: list[int],
) -> None:
    monkeypatch.setattr(tasks.engine, "run", engine_lost(failed_result))
    made = make_run(ada)
    rings.clear()
    for tries in range(1, leases.MAX_TRIES):
        tasks.run_grading(made.pk)
        now = GradingRun.objects.get(pk=made.pk)
        assert (now.state, now.verdict, now.tries) == (State.QUEUED, "", tries)
        assert now.events.count() == now.check_results.count() == 0, (
            "nothing of the broken try stays"
        )
        assert "engine went away; the run is tried again" in now.reason
    assert rings == [made.pk] * (leases.MAX_TRIES - 1)
    tasks.run_grading(made.pk)
    now = GradingRun.objects.get(pk=made.pk)
    assert (now.state, now.verdict, now.counts) == (State.LOST, "errored", False)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("terminating connection"),
        InterfaceError("closed"),
        OSError(28, "No space left"),
    ],
)
@pytest.mark.parametrize("where", ["record", "finish"])
def test_a_database_or_disk_that_fails_puts_the_run_back(
    error: Exception,
    where: str,
    ada: Any,
    make_run: Make,
    jobs: list[GradingJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_run(ada)
    with monkeypatch.context() as broken:

        def fail(*_: Any) -> None:
            raise error

        if where == "record":
            broken.setattr(tasks.Recorder, "record", fail)
        else:
            broken.setattr(leases, "finish", fail)
        tasks.run_grading(made.pk)
    now = GradingRun.objects.get(pk=made.pk)
    assert (now.state, now.verdict) == (State.QUEUED, "")
    assert "database or the disk failed" in now.reason
    tasks.run_grading(made.pk)
    assert GradingRun.objects.get(pk=made.pk).verdict == "failed", "the next try is graded as ever"


def test_a_cancelled_run_is_not_put_back(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch, failed_result: RunResult
) -> None:
    made = make_run(ada)
    real = engine_lost(failed_result)

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        intake.cancel(GradingRun.objects.get(pk=made.pk))
        yield from real(job, sandbox, installation=installation)

    monkeypatch.setattr(tasks.engine, "run", run)
    tasks.run_grading(made.pk)
    assert GradingRun.objects.get(pk=made.pk).state == State.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_cancelling_reaches_the_engine_and_the_lease_is_renewed(
    ada: Any, make_run: Make, monkeypatch: pytest.MonkeyPatch, failed_result: RunResult
) -> None:
    monkeypatch.setattr(tasks, "TICK_S", 0.05)
    monkeypatch.setattr(tasks, "RENEW_S", 0.0)
    renewals: list[bool] = []
    renew = leases.renew_lease
    monkeypatch.setattr(leases, "renew_lease", lambda *a: renewals.append(renew(*a)))

    def run(job: GradingJob, sandbox: Any, *, installation: str) -> Iterator[Event]:
        yield LogLine(source="build", text="alone in its batch")
        deadline = time.monotonic() + 20
        cancelled = False
        while not job.cancelled():
            assert time.monotonic() < deadline
            row = GradingRun.objects.get(pk=int(job.run_id))
            # The lone line was flushed by the keeper, not by a batch.
            if row.events.exists() and renewals and not cancelled:
                intake.cancel(row)
                cancelled = True
            time.sleep(0.02)
        yield RunFinished(result=failed_result.model_copy(update={"verdict": Verdict.CANCELLED}))

    monkeypatch.setattr(tasks.engine, "run", run)
    made = make_run(ada)
    tasks.run_grading(made.pk)
    now = GradingRun.objects.get(pk=made.pk)
    assert (now.state, now.cancel_requested) == (State.CANCELLED, True)
    assert renewals[0] is True
    assert not [t for t in threading.enumerate() if t.name.startswith("lease-")]


def test_the_sweep_reclaims_cleans_and_rings(
    ada: Any, make_run: Make, rings: list[int], sandbox: SandboxStub, settings: Any
) -> None:
    old = timezone.now() - timedelta(minutes=1)
    run = make_run(ada, state=State.RUNNING, fence=1, tries=1, lease_until=old, created=old)
    rings.clear()
    tasks.sweep()
    assert GradingRun.objects.get(pk=run.pk).state == State.QUEUED
    assert sandbox.swept == [False]
    assert rings == [run.pk]
    assert state_of(settings)["ready"] is True


@pytest.mark.parametrize(("age_s", "rung"), [(60, True), (2, False), (-3600, True)])
def test_the_sweep_rings_for_what_waits_and_for_what_came_before_the_clock_was_set_back(
    ada: Any, make_run: Make, rings: list[int], age_s: int, rung: bool
) -> None:
    run = make_run(ada, created=timezone.now() - timedelta(seconds=age_s))
    rings.clear()
    tasks.sweep()
    assert rings == ([run.pk] if rung else [])


def test_the_sweep_without_an_engine_still_reclaims(
    ada: Any, make_run: Make, sandbox: SandboxStub, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def check() -> None:
        raise EngineUnavailable("gone", "start it")

    monkeypatch.setattr(sandbox, "check", check)
    run = make_run(
        ada,
        state=State.RUNNING,
        fence=1,
        tries=1,
        lease_until=timezone.now() - timedelta(minutes=1),
    )
    tasks.sweep()
    assert GradingRun.objects.get(pk=run.pk).state == State.QUEUED
    assert state_of(settings)["ready"] is False


def test_the_installation_keeps_its_id(settings: Any, db: None) -> None:
    assert tasks.installation() == tasks.installation()
    assert len(tasks.installation()) == 32
