"""Whoever follows a run hears of it from one look for all: idle streams hold no thread and no
database connection.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass, field

from django.db import connections

from submissions.models import GradingRun, RunEvent
from submissions.queue import position

POLL_S = 0.5
BATCH = 200
STREAMS_OF_A_USER = 3
STREAMS = 50
"""In one process. Whoever comes later asks for the page again and again instead."""


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment.

    ``place`` is 0 unless it is queued; ``events`` are (number, kind), at most BATCH.
    """

    state: str
    place: int
    cancelling: bool
    over: bool
    outcome: str
    events: tuple[tuple[int, str], ...]


@dataclass(eq=False, slots=True)
class Stream:
    """One follower. ``after`` is the number of the last event that it has told."""

    run: int
    user: int
    after: int
    looks: asyncio.Queue[Look | None] = field(default_factory=lambda: asyncio.Queue(1))

    def show(self, look: Look | None) -> None:
        """Replace a look that was not taken yet."""
        if self.looks.full():
            self.looks.get_nowait()
        self.looks.put_nowait(look)


class Hub:
    """The streams of one event loop, and the task that looks for them while there are any."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._task: asyncio.Task[None] | None = None

    def open(self, run: int, user: int, after: int) -> Stream | None:
        """None when the user or the process follows as many runs as they may."""
        own = sum(stream.user == user for stream in self._streams)
        if own >= STREAMS_OF_A_USER or len(self._streams) >= STREAMS:
            return None
        stream = Stream(run, user, after)
        self._streams.add(stream)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())
        return stream

    def close(self, stream: Stream) -> None:
        self._streams.discard(stream)

    async def _watch(self) -> None:
        while self._streams:
            wanted: dict[int, int] = {}
            for stream in self._streams:
                wanted[stream.run] = min(stream.after, wanted.get(stream.run, stream.after))
            looks = await asyncio.to_thread(look_at, wanted)
            for stream in self._streams:
                if stream.run in wanted:
                    stream.show(looks.get(stream.run))
            await asyncio.sleep(POLL_S)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


def look_at(wanted: dict[int, int]) -> dict[int, Look]:
    """Look at runs:

    ``wanted`` maps each to the event behind which it is told. The connection is given back.
    """
    try:
        runs = GradingRun.objects.in_bulk(wanted)
        return {pk: _look(run, wanted[pk]) for pk, run in runs.items()}
    finally:
        connections.close_all()


def _look(run: GradingRun, after: int) -> Look:
    # The state was read first: an event that is written with the verdict is then never missed.
    events = RunEvent.objects.filter(run_id=run.pk, seq__gt=after).values_list("seq", "payload")[
        :BATCH
    ]
    return Look(
        state=run.state,
        place=position(run) if run.state == GradingRun.State.QUEUED else 0,
        cancelling=run.cancel_requested,
        over=run.is_over,
        outcome=run.outcome,
        events=tuple((seq, str(payload.get("type", ""))) for seq, payload in events),
    )
