"""One exchange as the probe saw it. Times are ``time.perf_counter`` seconds."""

from __future__ import annotations

import json as jsonlib
import time
from dataclasses import dataclass, field
from typing import Any

from grader.http import timed_events
from grader.result import Exchange

SHOWN_BODY = 4096
PROBE_BEGAN = time.perf_counter()
"""This module comes with the probe's first ones."""


@dataclass(slots=True)
class Response:
    """One exchange as seen on the wire.

    ``error`` is empty only for a complete, well-formed response.
    """

    method: str
    path: str
    request_headers: dict[str, str]
    request_body: bytes
    party: str
    sent_at: float
    sent_unix: float
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Lower-case names; the last value wins."""
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    """(arrival time, body bytes) for every piece of body that arrived."""
    first_byte_at: float | None = None
    done_at: float | None = None
    error: str = ""
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """A complete response with a 2xx status."""
        return not self.error and self.status is not None and 200 <= self.status < 300

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.chunks)

    @property
    def total_s(self) -> float:
        """Seconds from send to the end; infinity when it never ended."""
        return (self.done_at - self.sent_at) if self.done_at is not None else float("inf")

    def json(self) -> Any:
        """The body as JSON, or None when it isn't JSON (too deep or malformed counts as
        'isn't').
        """
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def events(self) -> list[tuple[float, str]]:
        """The body read as server-sent events: (arrival time of the event's end, its data)."""
        return [(at, event.text) for at, event in timed_events(self.chunks)]

    def exchange(self) -> Exchange:
        """The exchange as bounded evidence."""

        def ms(at: float | None) -> float | None:
            return None if at is None else round((at - self.sent_at) * 1000, 3)

        body = self.body
        return Exchange(
            party=self.party,
            method=self.method,
            path=self.path,
            request_headers=self.request_headers,
            request_body=self.request_body[:SHOWN_BODY].decode("utf-8", "replace"),
            status=self.status,
            response_headers={k[:200]: v[:500] for k, v in list(self.headers.items())[:30]},
            response_body=body[:SHOWN_BODY].decode("utf-8", "replace"),
            truncated=self.truncated or len(body) > SHOWN_BODY,
            error=self.error[:500],
            started_s=max(0.0, round(self.sent_at - PROBE_BEGAN, 3)),
            first_byte_ms=ms(self.first_byte_at),
            total_ms=ms(self.done_at),
        )
