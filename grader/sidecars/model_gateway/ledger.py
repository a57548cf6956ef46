"""The ledger: what every request cost, when it came and how it ended.

Bounded; totals outlive dropped rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

KEPT = 20_000
PAGE = 300
"""However long a row gets, so many fit into one line of the protocol."""


@dataclass(slots=True)
class Row:
    """One request. Times are Unix seconds; ``cost_micro`` is in millionths of the unit of money."""

    index: int
    kind: str
    """"chat", "embeddings", or "other"."""
    start: float
    key: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micro: int = 0
    first_token: float | None = None
    end: float | None = None
    cancelled: bool = False
    """The client hung up before the end; tokens are those sent until then."""
    status: int = 0
    """0 while nothing was answered."""
    fault: str = ""
    attempt: int = 0
    """How many times the same messages had been sent to this model before."""
    asked: str = ""
    """A name for the messages as they came, of chat requests that were read."""
    fields: str = ""
    """A name for the other fields as they came, without those about streams."""
    traceparent: str = ""
    """The caller's W3C trace context, as it came, at most 100 characters."""


class Ledger:
    """Used from the event loop only.

    Indexes go on after a reset, so that none is ever used twice.
    """

    def __init__(self) -> None:
        self.next_index = 0
        self._rows: deque[Row] = deque(maxlen=KEPT)
        self._first = 0
        self._kept_totals = _zero()

    def open(self, kind: str, now: float) -> Row:
        """A row for a request that has just arrived."""
        row = Row(self.next_index, kind, now)
        self.next_index += 1
        if len(self._rows) == KEPT:
            _add(self._kept_totals, self._rows[0])
        self._rows.append(row)
        return row

    def reset(self) -> None:
        """Forget all rows and totals."""
        self._rows.clear()
        self._first = self.next_index
        self._kept_totals = _zero()

    def read(self, since: int = 0, limit: int = PAGE) -> dict[str, Any]:
        """{totals, rows, next, more}: totals since the last reset; rows with index >= ``since``,
        ``limit`` at most; ``next`` is the ``since`` of the next page and ``more`` says whether it
        has any rows yet.
        """
        totals = dict(self._kept_totals)
        for row in self._rows:
            _add(totals, row)
        found = list(self._from(since))
        page = found[: max(1, min(limit, PAGE))]
        after = page[-1].index + 1 if page else max(since, self.next_index)
        return {
            "totals": totals,
            "rows": [asdict(r) for r in page],
            "next": after,
            "more": len(page) < len(found),
        }

    def _from(self, since: int) -> Iterator[Row]:
        return (row for row in self._rows if row.index >= since)


_SUMMED = ("prompt_tokens", "completion_tokens", "cost_micro")
assert set(_SUMMED) <= {f.name for f in fields(Row)}


def _zero() -> dict[str, int]:
    return dict.fromkeys(("requests", "answered", "cancelled", "faults", *_SUMMED), 0)


def _add(totals: dict[str, int], row: Row) -> None:
    totals["requests"] += 1
    totals["answered"] += row.status == 200 and not row.cancelled and not row.fault
    totals["cancelled"] += row.cancelled
    totals["faults"] += bool(row.fault)
    for name in _SUMMED:
        totals[name] += getattr(row, name)
