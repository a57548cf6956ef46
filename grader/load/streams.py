"""Server-sent events with the time at which each was complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grader.http import timed_events

IsToken = Callable[[bytes], bool]


def is_token(data: bytes) -> bool:
    """Every data event counts as a token, except the end mark of the common chat protocol."""
    return data != b"[DONE]"


def events(chunks: Sequence[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """(arrival time of the event's end, its data) for every event that has data; others are left
    out.
    """
    return [(at, event.data) for at, event in timed_events(chunks)]
