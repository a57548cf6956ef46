"""What was asked and what it cost: the only truth about tokens and money."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MAX_ROWS = 20_000
ROWS_A_REPLY = 2500


@dataclass(slots=True)
class Row:
    """One request. Times are seconds since the gateway began; tokens are WordPieces."""

    index: int
    kind: str
    model: str = ""
    key: str = ""
    status: int = 0
    fault: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micro: int = 0
    start: float = 0.0
    first_token: float | None = None
    end: float | None = None
    cancelled: bool = False


class Ledger:
    """Rows in order of arrival. Beyond ``MAX_ROWS`` the totals go on and the oldest rows are dropped."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._rows: list[Row] = []
        self._count = 0

    def open(self, kind: str, start: float) -> Row:
        """A new row, kept from now on."""
        row = Row(self._count, kind, start=round(start, 4))
        self._count += 1
        self._rows.append(row)
        if len(self._rows) > MAX_ROWS:
            del self._rows[: MAX_ROWS // 10]
        return row

    def reply(self, since: int = 0) -> dict[str, Any]:
        """Rows from index ``since`` on, at most 2,500; ``next`` is where to go on, and totals are over all rows kept."""
        rows = [row for row in self._rows if row.index >= since][:ROWS_A_REPLY]
        return {
            "rows": [asdict(row) for row in rows],
            "next": rows[-1].index + 1 if rows else self._count,
            "count": self._count,
            "totals": {
                name: sum(getattr(row, name) for row in self._rows)
                for name in ("prompt_tokens", "completion_tokens", "cost_micro")
            },
        }
