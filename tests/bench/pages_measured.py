"""One database, filled and measured; prints the ratio of each page as JSON.

Started by ``tests.bench.pages``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import django

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
LEARNERS = 2_000
BUSY = 1_000
"""Runs of the busiest learner."""
ROUNDS = 15
VERDICTS = ("failed", "failed", "passed", "not_gradable", "inconclusive", "errored")
CHUNK = 5_000


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    # The proofs of labs are no matter of this measurement: publish what the folders hold.
    from pathlib import Path

    from grader.lab import load_lab
    from labs.sync import publish

    for folder in sorted(Path(settings.SEATRIAL_CONTENT).glob("labs/*/lab.yaml")):
        publish(load_lab(folder.parent))
    busy, teacher, run, entry = fill()
    with served() as port:
        measure(port, busy, teacher, run, entry)


def measure(port: int, busy: list[Any], teacher: Any, run: Any, entry: Any) -> None:
    bare = measured(port, teacher, "/bare/")
    pages = {
        "catalogue, 50 runs": (busy[1], "/labs/"),
        "catalogue, 1,000 runs": (busy[0], "/labs/"),
        "catalogue, stranger": (None, "/labs/"),
        "lab": (busy[0], run.lab.get_absolute_url()),
        "front page": (None, "/"),
        "front page, signed in": (busy[0], "/"),
        "status": (None, "/status/"),
        "own runs": (busy[0], "/runs/"),
        "verdict": (busy[0], run.get_absolute_url()),
        "fragment status": (busy[0], f"{run.get_absolute_url()}?fragment=status"),
        "fragment phases": (busy[0], f"{run.get_absolute_url()}?fragment=phases"),
        "fragment checks": (busy[0], f"{run.get_absolute_url()}?fragment=checks"),
        "fragment log": (busy[0], f"{run.get_absolute_url()}?fragment=log"),
        "portfolio, 1,000 runs": (None, f"/p/{busy[0].handle}/"),
        "evidence, 1,000 runs": (None, entry.get_absolute_url()),
        "teach": (teacher, "/teach/"),
        "teach, by lab": (teacher, f"/teach/?lab={run.lab_id}"),
        "teach, by outcome": (teacher, "/teach/?outcome=failed"),
        "teach, by learner": (teacher, "/teach/?who=learner-17"),
        "administration, runs": (teacher, "/admin/submissions/gradingrun/"),
        "administration, events": (teacher, "/admin/submissions/runevent/"),
        "administration, results": (teacher, "/admin/submissions/checkresult/"),
        "administration, evidence": (teacher, "/admin/submissions/evidence/"),
    }
    times = {name: measured(port, person, address) for name, (person, address) in pages.items()}
    report(f"a bare view takes {1000 * bare:.1f} ms")
    print(json.dumps({name: round(took / bare, 2) for name, took in times.items()}))


@contextlib.contextmanager
def served() -> Iterator[int]:
    """The site as it is served: one process of uvicorn. Yields its port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    server = subprocess.Popen([*command, "--lifespan", "off", "--log-level", "error"])
    try:
        deadline = time.monotonic() + 60
        while True:
            with (
                contextlib.suppress(OSError),
                closing(socket.create_connection(("127.0.0.1", port), 1)),
            ):
                break
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("uvicorn did not start")
        yield port
    finally:
        server.terminate()
        server.wait(20)


def cookie_of(person: Any) -> dict[str, str]:
    """The cookie of a session of ``person``; none for a stranger."""
    from django.contrib.auth import login
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    if person is None:
        return {}
    request = HttpRequest()
    request.session = SessionStore()
    login(request, person, "allauth.account.auth_backends.AuthenticationBackend")
    request.session.save()
    return {"Cookie": f"sessionid={request.session.session_key}"}


def measured(port: int, person: Any, address: str) -> float:
    """Median seconds of a page on one open connection, after two visits that are not counted."""
    headers = cookie_of(person)
    took = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        for turn in range(ROUNDS + 2):
            began = time.perf_counter()
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            answer.read()
            if turn >= 2:
                took.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"{address} answered {answer.status}")
    report(f"{1000 * statistics.median(took):8.1f} ms  {address}")
    return statistics.median(took)


def report(line: str) -> None:
    """Progress, to standard error."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def fill() -> tuple[list[Any], Any, Any, Any]:
    """Learners, runs, results, events and evidence; returns two busy learners, a teacher, a run,
    its entry.
    """
    from django.db import connection

    from accounts.models import User
    from labs.models import Lab

    labs = list(Lab.objects.select_related("current"))
    people = [
        User(handle=f"learner-{i}", email=f"l{i}@example.org", password="!")
        for i in range(LEARNERS)
    ]
    people = User.objects.bulk_create(people, CHUNK)
    teacher = User.objects.create_superuser("teacher", "t@example.org")
    for start in range(0, RUNS, CHUNK):
        _fill_chunk(people, labs, start)
    run = _judged(people[0])
    entry = _published(people[0], run)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return people[:2], teacher, run, entry


def _owner(number: int) -> int:
    """The busiest learner's runs come first, then 50 of the second; the others share the rest."""
    if number < BUSY:
        return 0
    return 1 if number < BUSY + 50 else 2 + number % (LEARNERS - 2)


def _fill_chunk(people: list[Any], labs: list[Any], start: int) -> None:
    from django.utils import timezone

    from submissions.models import CheckResult, Evidence, GradingRun, RunEvent, Submission

    now = timezone.now()
    numbers = range(start, min(RUNS, start + CHUNK))
    common: dict[str, Any] = {"digest": "ab12" * 16, "blob": "0" * 64}
    handed = []
    for i in numbers:
        lab = labs[0] if i < BUSY else labs[i % len(labs)]
        own = {"user": people[_owner(i)], "lab": lab, "lab_version": lab.current}
        handed.append(Submission(number=i + 1, **own, **common))
    runs = []
    for i, submission in zip(numbers, Submission.objects.bulk_create(handed), strict=True):
        began = now - timedelta(seconds=60 * (RUNS - i))
        verdict = VERDICTS[i % len(VERDICTS)]
        owner = {
            "learner": submission.user,
            "lab": submission.lab,
            "lab_version": submission.lab_version,
        }
        times = {
            "created": began,
            "started_at": began,
            "finished_at": began + timedelta(seconds=40),
        }
        score = 20.0 if verdict in ("passed", "failed") else None
        state = {"state": "finished", "verdict": verdict, "score": score, "seed": f"{i:012d}"}
        runs.append(GradingRun(submission=submission, **owner, **times, **state))
    results, events, evidence = [], [], []
    for run in GradingRun.objects.bulk_create(runs):
        results += [
            _result(CheckResult, run, c) for c in run.lab_version.spec_model.rubric.criteria[:6]
        ]
        events += [RunEvent(run=run, seq=n, payload=_event(n)) for n in range(6)]
        file = {
            "name": "usage.json",
            "media_type": "application/json",
            "digest": "0" * 64,
            "blob": "0" * 64,
        }
        evidence.append(Evidence(run=run, **file))
    for model, rows in ((CheckResult, results), (RunEvent, events), (Evidence, evidence)):
        model.objects.bulk_create(rows, CHUNK)  # type: ignore[attr-defined]


def _result(model: Any, run: Any, criterion: Any) -> Any:
    payload = {
        "criterion": criterion.id,
        "check": "x",
        "title": criterion.title,
        "gate": criterion.gate,
        "outcome": "failed",
        "points": 0,
        "max_points": criterion.weight,
        "message": "Case 3: the answer names no clause. Expected clause 41, got an empty list.",
        "measured": {
            "value": 0.3,
            "unit": "share",
            "low": 0.19,
            "high": 0.44,
            "n": 50,
            "text": "0.30",
        },
        "rule": {"op": "at_least", "threshold": 0.9, "unit": "share", "text": "at least 0.90"},
    }
    return model(run=run, criterion=criterion.id, outcome="failed", points=0, payload=payload)


def _event(number: int) -> dict[str, Any]:
    if number < 2:
        return {
            "type": ("phase_started", "phase_finished")[number],
            "phase": "build",
            "ok": True,
            "seconds": 3.0,
        }
    return {"type": "log", "source": "app", "level": "info", "text": "INFO: one line of a service"}


def _judged(person: Any) -> Any:
    """One more run of the busiest learner, with what a real one leaves: all criteria and 300 lines
    of log.
    """
    from submissions.models import CheckResult, GradingRun, RunEvent

    run = (
        GradingRun.objects.filter(learner=person, verdict="failed")
        .select_related("lab_version")
        .first()
    )
    assert run is not None
    known = set(run.check_results.values_list("criterion", flat=True))
    missing = [c for c in run.lab_version.spec_model.rubric.criteria if c.id not in known]
    CheckResult.objects.bulk_create([_result(CheckResult, run, c) for c in missing])
    RunEvent.objects.bulk_create(
        [RunEvent(run=run, seq=n, payload=_event(n)) for n in range(10, 310)]
    )
    return run


def _published(person: Any, run: Any) -> Any:
    from portfolios.services import publish

    entry = publish(run, person)
    entry.portfolio.is_public = True
    if hasattr(entry.portfolio, "on_front_page"):
        entry.portfolio.on_front_page = True
    entry.portfolio.save()
    return entry


if __name__ == "__main__":
    main()
