"""Server-sent events as the HTML standard has them ("Interpreting an event stream"), from pieces
cut anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event that has data. ``kind`` is its ``event`` field, "message" where there is none."""

    data: bytes
    kind: str = "message"
    id: str = ""

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


class EventReader:
    """Takes pieces of a body and gives events as soon as the empty line behind them is there.

    The work is linear in the bytes, however they are cut: the sender chooses the pieces. What
    follows the last empty line is no event.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._kind = b""
        self._id = b""
        self._after_cr = False
        self._first = True

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes."""
        if self._after_cr and piece[:1] == b"\n":  # the second half of CR LF
            piece = piece[1:]
            self._after_cr = False
        if not piece:
            return []
        self._after_cr = piece[-1:] == b"\r"
        begun, *ended = _END.split(piece)
        self._line.append(begun)
        found: list[Event] = []
        for following in ended:
            line, self._line = b"".join(self._line), [following]
            event = self._take(line)
            if event is not None:
                found.append(event)
        return found

    def _take(self, line: bytes) -> Event | None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._dispatched()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._kind = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        return None

    def _dispatched(self) -> Event | None:
        data, kind = self._data, self._kind
        self._data, self._kind = [], b""
        if not data:
            return None
        return Event(
            b"\n".join(data),
            kind.decode("utf-8", "replace") or "message",
            self._id.decode("utf-8", "replace"),
        )


def events_of(body: bytes) -> list[Event]:
    """All events of a whole body."""
    return EventReader().feed(body)


def timed_events(chunks: Iterable[tuple[float, bytes]]) -> list[tuple[float, Event]]:
    """(arrival time of the piece that completed it, event), for pieces with arrival times in any
    unit.
    """
    reader = EventReader()
    return [(at, event) for at, piece in chunks for event in reader.feed(piece)]
