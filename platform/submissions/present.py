"""What the run page shows, as plain data. No HTML: templates render it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from grader.lab import Criterion
from grader.result import CheckResult, Exchange
from submissions.models import GradingRun, RunEvent

PHASES = (
    ("build", "Build"),
    ("deploy", "Pod and baseline"),
    ("ready", "Ready"),
    ("grade", "Checks"),
    ("teardown", "Cleaned up"),
)
SHOWN_LINES = 500
MAX_ARGUMENT = 4096
URL_SAFE = "/?[]@!$&'()*+,;=:%~{}|^`\"<>\\"
"""What a path may hold as it was sent; spaces, control characters and other alphabets are
percent-encoded.
"""
SKIPPED_HEADERS = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}
)


@dataclass(slots=True)
class PhaseRow:
    """One step of the list of phases.

    ``outcome`` is a badge's word; ``seconds`` None when unknown.
    """

    title: str
    outcome: str = "pending"
    seconds: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line.

    ``clock`` counts from the start of the try; ``text`` is untrusted and escaped by the template.
    """

    clock: str
    source: str
    level: str
    text: str


@dataclass(slots=True)
class CriterionRow:
    """One criterion with its result, if there is one yet. ``state`` is a badge's word."""

    criterion: Criterion
    state: str
    result: CheckResult | None = None
    curl: str = ""
    exchange: dict[str, Any] | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What another run of the same learner and lab had for one criterion."""

    title: str
    before: str
    after: str


@dataclass(slots=True)
class Progress:
    """A run as far as its events tell."""

    phases: list[PhaseRow] = field(default_factory=list)
    running_check: str = ""
    last_seq: int = 0


def progress(run: GradingRun, events: Iterable[RunEvent]) -> Progress:
    """Phases and the running check, from the events that are not log lines."""
    out = Progress()
    queue = PhaseRow("Queue", "passed" if run.started_at else "running")
    if run.started_at:
        queue.seconds = max(0.0, (run.started_at - run.created).total_seconds())
    rows = {name: PhaseRow(title) for name, title in PHASES}
    for event in events:
        payload = event.payload
        match payload.get("type"):
            case "phase_started" if payload.get("phase") in rows:
                rows[payload["phase"]].outcome = "running"
            case "phase_finished" if payload.get("phase") in rows:
                row = rows[payload["phase"]]
                row.outcome = "passed" if payload.get("ok") else "failed"
                row.seconds, row.message = payload.get("seconds"), payload.get("message", "")
            case "check_started":
                out.running_check = payload.get("criterion", "")
            case "check_finished" if out.running_check == payload.get("criterion"):
                out.running_check = ""
    if run.is_over:
        _settle(run, [queue, *rows.values()])
    out.phases = [queue, *rows.values()]
    return out


def _settle(run: GradingRun, rows: list[PhaseRow]) -> None:
    """Nothing still runs in a run that is over."""
    for row in rows:
        if row.outcome == "running":
            row.outcome = "cancelled" if run.state == GradingRun.State.CANCELLED else "errored"


def clock(at: datetime, start: datetime) -> str:
    """Minutes, seconds and tenths since ``start``: 01:09.1."""
    seconds = max(0.0, (at - start).total_seconds())
    return f"{int(seconds // 60):02d}:{seconds % 60:04.1f}"


def log_rows(run: GradingRun, lines: Sequence[RunEvent]) -> list[LogRow]:
    start = run.started_at or run.created
    return [
        LogRow(
            clock(event.at, start),
            str(event.payload.get("source", "")),
            str(event.payload.get("level", "info")),
            str(event.payload.get("text", "")),
        )
        for event in lines
    ]


def criteria(run: GradingRun, running_check: str) -> list[CriterionRow]:
    """The rubric in its order, with results where there are any.

    A failed gate is open, or what failed first.
    """
    results = {row.criterion: row.model for row in run.check_results.all()}
    rows = []
    for criterion in run.lab_version.spec_model.rubric.criteria:
        result = results.get(criterion.id)
        if result is not None:
            exchange = exchange_view(result.exchange) if result.exchange else None
            curl = curl_of(result.exchange, run) if result.exchange else ""
            rows.append(CriterionRow(criterion, result.outcome.value, result, curl, exchange))
        elif running_check == criterion.id and not run.is_over:
            rows.append(CriterionRow(criterion, "running"))
        else:
            rows.append(CriterionRow(criterion, "skipped" if run.is_over else "queued"))
    failed = [row for row in rows if row.state == "failed"]
    if run.is_over and failed:
        next((row for row in failed if row.criterion.gate), failed[0]).open = True
    return rows


def headline(run: GradingRun, rows: Sequence[CriterionRow]) -> str:
    """What held and what did not, in one or two sentences.

    The page lists the failed criteria after it.
    """
    asked = [row for row in rows if not run.only or row.criterion.id in run.only]
    failed = [row for row in asked if row.state == "failed"]
    gates = [row.criterion.title for row in failed if row.criterion.gate]
    count = f"{len(failed)} of {len(asked)} criteria failed"
    if not failed:
        decided = all(row.state == "passed" for row in asked)
        return (
            "Every criterion passed."
            if decided and len(asked) > 1
            else "It passed."
            if decided
            else "None failed."
        )
    if not gates:
        return f"{count}." if len(asked) > 1 else "It failed."
    names = " and ".join(f"“{title}”" for title in gates)
    what = (
        f"The gate {names} did not hold" if len(gates) == 1 else f"The gates {names} did not hold"
    )
    cap = run.lab_version.spec_model.rubric.gate_cap
    points = sum(row.result.points for row in asked if row.result)
    capped = f", so the score is capped at {cap:g}" if points > cap else ""
    return f"{what}{capped}. {count}."


def most_points(run: GradingRun) -> float:
    """What the criteria that were asked for are worth together."""
    criteria = run.lab_version.spec_model.rubric.criteria
    return sum(c.weight for c in criteria if not run.only or c.id in run.only)


def exchange_view(exchange: Exchange) -> dict[str, Any]:
    """Request and response as texts, with JSON bodies indented."""
    request = [f"{name}: {value}" for name, value in exchange.request_headers.items()]
    response = [f"{name}: {value}" for name, value in exchange.response_headers.items()]
    status = f"{exchange.status}" if exchange.status is not None else "No complete response"
    if exchange.first_byte_ms is not None:
        status += f", first byte after {exchange.first_byte_ms:,.0f} ms"
    body = _pretty(exchange.response_body) + ("\n… cut here" if exchange.truncated else "")
    return {
        "title": f"{exchange.method} {exchange.path}"[:200],
        "status": status,
        "request": "\n".join([*request, "", _pretty(exchange.request_body)]).strip()
        or "(no headers, no body)",
        "response": "\n".join([*response, "", body]).strip() or exchange.error or "(nothing)",
        "error": exchange.error,
        "log": [line for line in exchange.log.splitlines() if line.strip()][-60:],
        "started_s": exchange.started_s,
    }


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def curl_of(exchange: Exchange, run: GradingRun) -> str:
    """A command for one's own container.

    Every part that came from outside is quoted for the shell.
    """
    port = run.lab_version.spec_model.service.port
    path = exchange.path if exchange.path.startswith("/") else "/" + exchange.path
    parts = ["curl -i -N -g --max-time 60"]  # -g: brackets and braces in the path mean themselves
    if exchange.method != "GET":
        parts.append(f"-X {shlex.quote(exchange.method)}")
    for name, value in exchange.request_headers.items():
        if name.lower() not in SKIPPED_HEADERS:
            parts.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if exchange.request_body:
        if "content-type" not in {name.lower() for name in exchange.request_headers}:
            parts.append("-H 'Content-Type:'")  # else curl says it is a form
        # Not --data-binary: a body that begins with @ would be read as the name of a file.
        parts.append(f"--data-raw {shlex.quote(exchange.request_body[:MAX_ARGUMENT])}")
    parts.append(shlex.quote(f"http://localhost:{port}{quote(path, safe=URL_SAFE)}"))
    if len(exchange.request_body) >= MAX_ARGUMENT:
        parts.append("# the body was longer; only its beginning is kept")
        return " \\\n  ".join(parts[:-1]) + f"\n{parts[-1]}"
    return " \\\n  ".join(parts)


def grade_command(run: GradingRun, only: str = "") -> str:
    """How to repeat the run in a terminal: same lab, same seed, own project folder."""
    lines = [f"./seatrial grade {shlex.quote(run.lab_version.lab_id)} path/to/your/project"]
    lines.append(f"--seed {shlex.quote(run.seed)}")
    if only:
        lines.append(f"--only {shlex.quote(only)}")
    return " \\\n  ".join(lines)


def changes(run: GradingRun, before: GradingRun | None) -> list[Change]:
    """The criteria whose outcome differs from the run before, in the rubric's order."""
    if before is None:
        return []
    old = {row.criterion: row.outcome for row in before.check_results.all()}
    new = {row.criterion: row.outcome for row in run.check_results.all()}
    return [
        Change(c.title, old[c.id], new[c.id])
        for c in run.lab_version.spec_model.rubric.criteria
        if c.id in old and c.id in new and old[c.id] != new[c.id]
    ]
