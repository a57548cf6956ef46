"""The newest part of a container's log, in bounded memory."""

from __future__ import annotations

import collections
from collections.abc import Iterable

MAX_LOG_READ = 8 << 20
"""Bytes read at most; the engine keeps 2 MiB of a log, so more means that it is being written as
fast as read.
"""


def newest(stream: Iterable[bytes], max_bytes: int) -> bytes:
    """The last ``max_bytes`` of a stream of pieces, holding little more than that at any time."""
    kept: collections.deque[bytes] = collections.deque()
    size = total = 0
    for piece in stream:
        kept.append(piece)
        size += len(piece)
        total += len(piece)
        while kept and size - len(kept[0]) >= max_bytes:
            size -= len(kept.popleft())
        if total > MAX_LOG_READ:
            break
    return b"".join(kept)[-max_bytes:] if max_bytes else b""
