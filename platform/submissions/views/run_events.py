"""Progress of a run as server-sent events. Resumable: the id of an event is its RunEvent.seq."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from submissions.follow import BATCH, Look, Stream, hub
from submissions.models import GradingRun

BEAT_S = 15.0
MAX_S = 300.0
RETRY_S = 5
FRAGMENTS = {
    "phase_started": ("status", "phases"),
    "phase_finished": ("status", "phases"),
    "check_started": ("status", "checks"),
    "check_finished": ("status", "checks"),
    "log": ("log",),
}


async def run_events(request: HttpRequest, pk: int) -> HttpResponseBase:
    """``progress`` names fragments to fetch again, ``finished`` ends the stream.

    Closed after MAX_S: come back.

    429 when too many are open: the page then asks for its fragments by itself.
    """
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse("Sign in to follow this run.", status=403, content_type="text/plain")
    if not await GradingRun.objects.visible_to(user).filter(pk=pk).aexists():
        raise Http404("There is no such run.")
    # A stream lives for minutes in a thread of its own: it must not keep that thread's connection.
    await sync_to_async(connections.close_all)()
    stream = hub().open(pk, user.pk, _last_id(request))
    if stream is None:
        busy = HttpResponse("Too many pages follow runs.", status=429, content_type="text/plain")
        busy["Retry-After"] = str(RETRY_S)
        return busy
    response = StreamingHttpResponse(_told(stream), content_type="text/event-stream")
    # A visitor who leaves before the first byte: the generator never begins, so it never ends
    # either.
    leave = partial(asyncio.get_running_loop().call_soon_threadsafe, hub().close, stream)
    response._resource_closers.append(leave)  # type: ignore[attr-defined]
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


def _last_id(request: HttpRequest) -> int:
    """Where the page is: the header of a reconnecting browser, or ``after`` of a fresh page.

    0: from the start.
    """
    raw = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 18 else 0


def _message(event: str, data: dict[str, Any], event_id: int | None = None) -> str:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n"


async def _told(stream: Stream) -> AsyncIterator[str]:
    began = beat = time.monotonic()
    known: tuple[str, int, bool] | None = None
    try:
        yield "retry: 2000\n\n"
        while time.monotonic() - began < MAX_S:
            look = await stream.looks.get()
            if look is None:
                return
            fresh = [(seq, kind) for seq, kind in look.events if seq > stream.after]
            if fresh:
                stream.after = fresh[-1][0]
                touched = {name for _, kind in fresh for name in FRAGMENTS.get(kind, ())}
                yield _message("progress", {"fragments": sorted(touched)}, stream.after)
            if look.over and len(look.events) < BATCH:
                yield _message("finished", {"outcome": look.outcome}, stream.after)
                return
            now = _state(look)
            if known is not None and now != known:
                yield _message("progress", {"fragments": ["phases", "status"]})
            known = now
            if time.monotonic() - beat > BEAT_S:
                beat = time.monotonic()
                yield ": still here\n\n"
    finally:
        hub().close(stream)


def _state(look: Look) -> tuple[str, int, bool]:
    return look.state, look.place, look.cancelling
