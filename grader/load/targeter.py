"""What is sent and what comes back: requests, bounded answers, and the bytes on the wire."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.http.head import head
from grader.load.streams import events


class Answer:
    """One complete response.

    ``chunks`` are (perf_counter seconds, bytes), only filled in streaming mode.
    """

    __slots__ = ("_headers", "_raw", "body", "chunks", "status")

    def __init__(
        self,
        status: int,
        raw_headers: list[tuple[bytes, bytes]],
        body: bytes,
        chunks: list[tuple[float, bytes]],
    ) -> None:
        self.status = status
        self.body = body
        self.chunks = chunks
        self._raw = raw_headers
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; the last value wins. Decoded when first asked for."""
        if self._headers is None:
            self._headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in self._raw}
        return self._headers

    def json(self) -> Any:
        """The body as JSON, or None when it isn't JSON (too deep or malformed counts as
        'isn't').
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def events(self) -> list[tuple[float, str]]:
        """The body read as server-sent events:

        (arrival time of the event's end, its data). Streaming mode only.
        """
        return [(at, data.decode("utf-8", "replace")) for at, data in events(self.chunks)]


Validate = Callable[[Answer], str]


def succeeded(answer: Answer) -> str:
    """The validation of a request that names none: any 2xx status."""
    return "" if 200 <= answer.status < 300 else f"status {answer.status}"


def is_unanswered(status: int | None) -> bool:
    """No answer at all (0 or None), 429 or a server error: a starved machine brings these about,
    too.
    """
    return not status or status == 429 or status >= 500


@dataclass(frozen=True, slots=True)
class Request:
    """One request, which may be sent many times.

    ``validate`` returns "" or what is wrong with the answer.

    ``validate`` judges everything, the status too; without one, any 2xx status is right. It runs in
    the load
    generator's only thread, so it should take microseconds. What it raises ends the attack: that is
    our fault.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    validate: Validate | None = None
    _wire: dict[tuple[int, str], bytes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def wire(self, side: int, host: str, always: Mapping[str, str]) -> bytes:
        """The bytes to send to one side: exactly what the probe's other client would send.

        Kept for the next time.
        """
        made = self._wire.get((side, host))
        if made is None:
            made = head(host, self.method, self.path, self.body, always, self.headers) + self.body
            self._wire[side, host] = made
        return made


def json_request(
    method: str,
    path: str,
    value: Any,
    *,
    headers: Mapping[str, str] | None = None,
    validate: Validate | None = None,
) -> Request:
    """A request with a JSON body, written as the probe's other client writes it."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    return Request(method, path, json.dumps(value).encode(), fields, validate)


def rotate(requests: Sequence[Request]) -> Iterator[Request]:
    """The requests in turn, without an end. Raises ValueError when there are none."""
    if not requests:
        raise ValueError("there is nothing to send")
    return itertools.cycle(requests)
