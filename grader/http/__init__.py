"""What HTTP says, read in one way everywhere: server-sent events, and the words in headers."""

from __future__ import annotations

from grader.http.events import Event, EventReader, events_of, timed_events
from grader.http.headers import is_chunked, media_type

__all__ = ["Event", "EventReader", "events_of", "is_chunked", "media_type", "timed_events"]
