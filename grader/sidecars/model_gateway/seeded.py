"""Chance and delays that follow from the run's seed and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

REMEMBERED = 20_000


def fraction(*parts: Any) -> float:
    """A number in [0, 1) that depends on the parts only; the same in every process and Python
    version.
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def digest_of(model: str, messages: Any) -> str:
    """A name for a model and messages."""
    text = json.dumps([model, messages], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def delays(
    seed: str, name: str, attempt: int, ttft_s: float, itl_s: float, jitter: float
) -> Iterator[float]:
    """Seconds from the request to each token: the first, the second, ... without end."""

    def varied(base: float, number: int) -> float:
        return base * (1 + jitter * (2 * fraction(seed, "delay", name, attempt, number) - 1))

    at, number = varied(ttft_s, 0), 0
    while True:
        yield at
        number += 1
        at += varied(itl_s, number)


FREE_FIELDS = ("messages", "stream", "stream_options")
"""A gateway in front may ask for a stream, and for its usage, whatever its client asked for."""


def asked(body: dict[str, Any]) -> tuple[str, str]:
    """Names for the messages of a chat request and for its other fields: what was changed on the
    way gives another.
    """
    rest = {name: value for name, value in body.items() if name not in FREE_FIELDS}
    return digest_of("messages", body.get("messages"))[:16], digest_of("fields", rest)[:16]


class Attempts:
    """Counts how often the same messages came before.

    Forgets the longest unseen of more than 20,000.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def next(self, name: str) -> int:
        """0 for the first time."""
        attempt = self._seen.pop(name, -1) + 1
        self._seen[name] = attempt
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return attempt
