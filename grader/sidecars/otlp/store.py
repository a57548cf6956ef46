"""The spans that came, by trace, in bounded numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from grader.sidecars.otlp.decode import Span

SPANS_OF_A_TRACE = 64
PAGE_SPANS = 3_000
MAX_IDS = 1_000
MAX_HEARD = 4 << 20
"""Bytes of export requests that are kept while somebody listens."""


class Store:
    """Used from the event loop only."""

    def __init__(self, max_traces: int) -> None:
        self._max = max_traces
        self._traces: OrderedDict[str, list[Span]] = OrderedDict()
        self.received = 0
        self.refused = 0
        self.refusal = ""
        self._heard: list[bytes] | None = None
        self._room = 0

    def listen(self) -> None:
        """From now on keep the bodies of requests, the first ``MAX_HEARD`` bytes of them.

        Forgets earlier ones.
        """
        self._heard, self._room = [], MAX_HEARD

    def hear(self, body: bytes) -> None:
        """The unpacked body of one request."""
        if self._heard is not None and self._room > 0:
            self._heard.append(body[: self._room].lower())
            self._room -= len(body)

    def holds(self, words: Sequence[str]) -> list[str]:
        """Which of these stand anywhere in what was heard: names, attributes, events.

        Case does not matter.
        """
        heard = b"\n".join(self._heard or ())
        return [word for word in words if word.lower().encode() in heard]

    def add(self, spans: Iterable[Span]) -> None:
        """Keep them; of one trace only the first ``SPANS_OF_A_TRACE``."""
        for span in spans:
            self.received += 1
            kept = self._traces.setdefault(span.trace, [])
            if len(kept) < SPANS_OF_A_TRACE:
                kept.append(span)
            if len(self._traces) > self._max:
                self._traces.popitem(last=False)

    def refuse(self, why: str) -> None:
        """Note a request that could not be read."""
        self.refused += 1
        self.refusal = why

    def read(self, ids: Sequence[str]) -> dict[str, Any]:
        """{traces: {id:

        [[span, parent, service, name, start_s, end_s], ...]}, rest, received, refused, refusal}.

        ``rest``: the ids that did not fit into this answer; ask again for them.
        """
        traces: dict[str, list[list[Any]]] = {}
        rest, room = list(ids), PAGE_SPANS
        while rest and room > 0:
            found = self._traces.get(rest[0], [])
            traces[rest.pop(0)] = [
                [s.span, s.parent, s.service, s.name, s.start_s, s.end_s] for s in found
            ]
            room -= len(found) + 1
        counts = {"received": self.received, "refused": self.refused, "refusal": self.refusal}
        return {"traces": traces, "rest": rest, **counts}
