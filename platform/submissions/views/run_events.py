"""Progress of a run as server-sent events. Resumable: the id of an event is its RunEvent.seq."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from submissions.models import GradingRun, RunEvent
from submissions.queue import position

POLL_S = 0.5
BEAT_S = 15.0
MAX_S = 300.0
BATCH = 200
FRAGMENTS = {
    "phase_started": ("status", "phases"),
    "phase_finished": ("status", "phases"),
    "check_started": ("status", "checks"),
    "check_finished": ("status", "checks"),
    "log": ("log",),
}


async def run_events(request: HttpRequest, pk: int) -> HttpResponseBase:
    """``progress`` names fragments to fetch again, ``finished`` ends the stream. Closed after MAX_S: come back."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse("Sign in to follow this run.", status=403, content_type="text/plain")
    if not await GradingRun.objects.visible_to(user).filter(pk=pk).aexists():
        raise Http404("There is no such run.")
    response = StreamingHttpResponse(_stream(pk, _last_id(request)), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


def _last_id(request: HttpRequest) -> int:
    """Where the page is: the header of a reconnecting browser, or ``after`` of a fresh page. 0: from the start."""
    raw = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 18 else 0


def _message(event: str, data: dict[str, Any], event_id: int | None = None) -> str:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n"


@sync_to_async
def _look(pk: int, after: int) -> tuple[GradingRun | None, list[RunEvent], int]:
    """The run, what happened since ``after``, and its place in the queue (0: not queued)."""
    # The state is read first: an event that is written with the verdict is then never missed.
    run = GradingRun.objects.filter(pk=pk).first()
    events = list(RunEvent.objects.filter(run_id=pk, seq__gt=after)[:BATCH]) if run else []
    place = position(run) if run and run.state == GradingRun.State.QUEUED else 0
    return run, events, place


async def _stream(pk: int, after: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    began = beat = time.monotonic()
    known: tuple[str, int, bool] | None = None
    while time.monotonic() - began < MAX_S:
        run, events, place = await _look(pk, after)
        if run is None:
            return
        if events:
            after = events[-1].seq
            touched = {name for event in events for name in FRAGMENTS.get(event.payload.get("type", ""), ())}
            yield _message("progress", {"fragments": sorted(touched)}, after)
        if run.is_over and len(events) < BATCH:
            yield _message("finished", {"outcome": run.outcome}, after)
            return
        now = (run.state, place, run.cancel_requested)
        if known is not None and now != known:
            yield _message("progress", {"fragments": ["phases", "status"]})
        known = now
        if time.monotonic() - beat > BEAT_S:
            beat = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(POLL_S)
