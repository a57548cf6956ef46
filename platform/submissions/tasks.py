"""The only module where the engine and the ORM meet.

Messages are bells: the database says what there is to do.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from grader import __version__, slots
from grader.archive import parse
from grader.engines.base import Sandbox
from grader.errors import EngineUnavailable, SeatrialError
from grader.job import GradingJob
from grader.result import RunResult, Verdict
from grader.runs import engine
from labs.models import LabVersion
from storage import blobs
from submissions import bell, leases, worker
from submissions.models import Evidence, GradingRun, Submission
from submissions.recorder import Recorder

log = logging.getLogger(__name__)
RENEW_S = 8.0
IN_LINE_S = 8.0
"""So long a process of the worker stands in line before it lets other tasks in; its place is
kept.
"""
TICK_S = 1.0
RING_AFTER = timedelta(seconds=10)
STORAGE = (OperationalError, InterfaceError, OSError)
"""A database that is away or locked, a disk that is full: the run is tried again."""


class EngineLost(Exception):
    """The engine went away in mid-run; what it measured says nothing."""


def make_sandbox() -> Sandbox:
    """The sandbox of this worker's engine.

    Imported here, so that the web process never needs it.
    """
    from grader.engines.docker.sandbox import DockerSandbox

    return DockerSandbox(installation=installation())


def installation() -> str:
    """The id of this installation, made once: a sweep leaves the containers of others alone."""
    path = Path(settings.SEATRIAL_HOME) / "installation"
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".installation-{uuid.uuid4().hex}")
    fresh.write_text(uuid.uuid4().hex)
    with suppress(FileExistsError):
        os.link(fresh, path)  # the first one wins
    fresh.unlink()
    return path.read_text().strip()


@shared_task(name=bell.TASK)  # type: ignore[untyped-decorator]
def run_grading(run_id: int) -> None:
    """Grade the oldest queued run.

    ``run_id`` says which one rang; it may well be another's turn.
    """
    ticket = _next_ticket()
    if ticket is None:
        log.debug("Bell of run %s: nothing is queued, or others are in line for it.", run_id)
        return
    until = time.monotonic() + IN_LINE_S
    with slots.slot(ticket, give_up=lambda: worker.stops() or time.monotonic() > until) as free:
        if free:
            run = leases.claim(f"{socket.gethostname()}:{os.getpid()}")
            if run is not None and not grade(run, make_sandbox):
                return  # the engine is away; the sweep rings when it is back
        waiting = GradingRun.objects.next_in_line().first()
        if waiting:
            slots.keep(
                _ticket_of(waiting)
            )  # before the slot is free: nobody who came later slips in
    if waiting:
        bell.ring(waiting.pk)


def _next_ticket() -> slots.Ticket | None:
    """A place in line for the oldest run that has none yet.

    As many as there are slots stand in line at once.
    """
    ours = {
        ticket.key for ticket in slots.waiting() if ticket.who == "site" and slots.is_held(ticket)
    }
    if len(ours) >= slots.slot_count():
        return None
    oldest = GradingRun.objects.next_in_line()[: len(ours) + 1]
    tickets = (_ticket_of(run) for run in oldest)
    return next((ticket for ticket in tickets if ticket.key not in ours), None)


def _ticket_of(run: GradingRun) -> slots.Ticket:
    """A run's place is that of its arrival, whoever looks for it and however late.

    Re-grades come after all others.
    """
    arrived = run.created.timestamp() if run.batch_id is None else None
    return slots.new_ticket("site", arrived, f"{installation()[:12]}-{run.pk}")


def grade(run: GradingRun, sandbox_of: Callable[[], Sandbox]) -> bool:
    """Grade a claimed run and write down all that happens.

    False when the engine is away and the run waits.
    """
    recorder = Recorder(run.pk, run.fence)
    keeper = LeaseKeeper(run.pk, run.fence, recorder)
    try:
        with keeper:
            _drive(run, recorder, keeper, sandbox_of)
    except EngineUnavailable as error:
        leases.give_back(
            run.pk, run.fence, "Grading is paused: the container engine does not answer."
        )
        write_engine_state(error)
        return False
    except leases.LeaseLost:
        log.warning("Run %s was taken from us; its events since then were not written.", run.pk)
    except EngineLost:
        _put_back(run, "The container engine went away")
    except STORAGE:
        log.exception("Run %s: the database or the disk failed.", run.pk)
        _put_back(run, "The database or the disk failed")
    except Exception as error:
        log.exception("Run %s broke in the worker.", run.pk)
        with suppress(leases.LeaseLost):
            leases.finish(run.pk, run.fence, _our_fault(run, error))
    return True


def _drive(
    run: GradingRun, recorder: Recorder, keeper: LeaseKeeper, sandbox_of: Callable[[], Sandbox]
) -> None:
    job = GradingJob(
        lab=run.lab_version.content,
        snapshot=parse(blobs.get(run.submission.blob)),
        seed=run.seed,
        run_id=str(run.pk),
        fence=run.fence,
        only=frozenset(run.only),
        cancelled=keeper.stopped,
    )
    events = engine.run(job, sandbox_of(), installation=installation())
    write_engine_state(None)
    with closing(events):  # closing the generator tears the pod down
        for event in events:
            recorder.record(event)
            if event.type == "run_finished":
                if event.result.engine_lost:
                    raise EngineLost
                recorder.flush()
                leases.finish(run.pk, run.fence, event.result)


def _put_back(run: GradingRun, what: str) -> None:
    """Into the queue again. Where even that fails, the lease runs out and the sweep does it."""
    close_old_connections()
    try:
        leases.put_back(run.pk, run.fence, what)
    except leases.LeaseLost:
        log.warning("Run %s was taken from us before it could be put back.", run.pk)
    except STORAGE:
        log.warning(
            "Run %s could not be put back now; the sweep does it once its lease is over.", run.pk
        )


def _our_fault(run: GradingRun, error: Exception) -> RunResult:
    reason = (
        error.message
        if isinstance(error, SeatrialError)
        else f"The worker failed: {type(error).__name__}."
    )
    return RunResult(
        lab=run.lab_version.lab_id,
        lab_version=run.lab_version.digest,
        grader_version=__version__,
        seed=run.seed,
        verdict=Verdict.ERRORED,
        score=0,
        reason=reason,
        advice=(
            "This is our fault; it costs no attempt. The operator finds the details in the "
            "worker's log."
        ),
    )


class LeaseKeeper:
    """A thread that renews the lease, flushes the log, and notices that the run must stop."""

    def __init__(self, run_id: int, fence: int, recorder: Recorder) -> None:
        self.run_id, self.fence, self.recorder = run_id, fence, recorder
        self._stop, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{run_id}", daemon=True)

    def stopped(self) -> bool:
        """True once the run was cancelled or its lease was lost. Cheap: asks no database."""
        return self._stop.is_set()

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        renewed = time.monotonic()  # the wall clock may be set back
        try:
            while not self._over.wait(TICK_S):
                try:
                    self.recorder.flush()
                    if time.monotonic() - renewed > RENEW_S:
                        leases.renew_lease(self.run_id, self.fence)
                        renewed = time.monotonic()
                    if leases.should_stop(self.run_id, self.fence):
                        self._stop.set()
                except leases.LeaseLost:
                    self._stop.set()
                except (
                    Exception
                ):  # a database that is away for a moment; the lease decides in the end
                    log.exception(
                        "The lease of run %s could not be renewed; trying again.", self.run_id
                    )
                    close_old_connections()
        finally:
            connection.close()


def sweep() -> None:
    """Reclaim runs of dead workers, remove what they left, and ring again for runs that wait."""
    for run_id in leases.reclaim():
        log.warning("Run %s: its worker stopped renewing; queued again.", run_id)
    try:
        sandbox = make_sandbox()
        sandbox.check()
        if removed := sandbox.sweep(is_alive=leases.is_alive):
            log.info("Removed %d leftovers of dead runs.", removed)
        write_engine_state(None)
    except EngineUnavailable as error:
        write_engine_state(error)
        return
    except SeatrialError as error:
        log.warning("The sweep of the engine failed: %s", error.message)
    fresh = (timezone.now() - RING_AFTER, timezone.now())
    if first := GradingRun.objects.next_in_line().exclude(created__range=fresh).first():
        bell.ring(first.pk)


def tidy() -> None:
    """Remove the blobs that no row names any more."""
    named = {
        *Submission.objects.exclude(blob="").values_list("blob", flat=True),
        *Evidence.objects.values_list("blob", flat=True),
        *LabVersion.objects.values_list("archive", flat=True),
    }
    if removed := blobs.sweep(named):
        log.info("Removed %d blobs that nothing names.", removed)


def write_engine_state(error: EngineUnavailable | None) -> None:
    """Tell the pages whether grading goes on: ``<home>/engine.json``, replaced in one step."""
    state = {
        "ready": error is None,
        "message": error.message if error else "",
        "advice": error.advice if error else "",
        "checked_at": timezone.now().isoformat(timespec="seconds"),
    }
    path = Path(settings.SEATRIAL_HOME) / "engine.json"
    fresh = path.with_name(f".engine-{os.getpid()}-{threading.get_ident()}.json")
    fresh.write_text(json.dumps(state))
    os.replace(fresh, path)
