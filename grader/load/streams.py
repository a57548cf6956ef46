"""Server-sent events with the time at which each was complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_END = re.compile(rb"\r?\n\r?\n")
IsToken = Callable[[bytes], bool]


def is_token(data: bytes) -> bool:
    """Every data event counts as a token, except the end mark of the common chat protocol."""
    return data != b"[DONE]"


def events(chunks: Sequence[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """(arrival time of the event's end, its data) for every event that has data; others are left out.

    Lines may end with LF or CRLF, and a piece of body may end anywhere. Linear in the size of the body, however it
    was cut: the sender chooses the pieces.
    """
    out: list[tuple[float, bytes]] = []
    body = b"".join(piece for _, piece in chunks)
    piece, arrived, began = -1, 0, 0
    for end in _END.finditer(body):
        while arrived < end.end():
            piece += 1
            arrived += len(chunks[piece][1])
        lines = body[began : end.start()].splitlines()
        data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        if data:
            out.append((chunks[piece][0], b"\n".join(data)))
        began = end.end()
    return out
