"""Which requests fail, and how: a seeded schedule, decided from a request's number before its body
is read.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grader.result import Frozen
from grader.sidecars.model_gateway.seeded import fraction

FaultKind = Literal["429", "500", "hang", "slow", "reset", "bad_json", "abstain", "thinking"]
MAX_RULES = 32


class FaultRule(Frozen):
    """A share of chat and embedding requests in a window fails in one way.

    429 carries Retry-After; ``hang`` never answers; ``slow`` multiplies delays by ``factor``;
    ``reset`` cuts the connection in the middle of the answer; ``bad_json`` answers 200 with half a
    JSON text; ``abstain`` answers NOT_FOUND, as a reader does that finds nothing; ``thinking``
    bills ``factor`` hidden tokens for every visible one, without taking longer. The windows count
    from the moment the schedule was set; ``to`` is exclusive. A rule with ``models`` looks at the
    path's model, which is known only after the body is read, so such a rule decides *whether*
    before the body and applies *if* it fits.
    """

    kind: FaultKind
    share: float = Field(1.0, ge=0, le=1)
    models: list[str] = Field([], max_length=16)
    from_index: int = Field(0, ge=0)
    to_index: int | None = Field(None, ge=0)
    from_s: float = Field(0, ge=0)
    to_s: float | None = Field(None, ge=0)
    retry_after_s: float = Field(1, ge=0, le=60)
    factor: float = Field(5, ge=1, le=100)

    def covers(self, number: int, elapsed_s: float) -> bool:
        """Whether the ``number``-th request since the schedule was set, ``elapsed_s`` later, lies
        in the window.
        """
        before = self.to_index is None or number < self.to_index
        return (
            self.from_index <= number
            and before
            and self.from_s <= elapsed_s
            and (self.to_s is None or elapsed_s < self.to_s)
        )


class Schedule:
    """Rules stand side by side: with shares of 0.1 and 0.2, 30 % of the requests fail, each in one
    way.
    """

    def __init__(
        self, seed: str, rules: list[FaultRule] | None = None, *, started_at: float = 0.0
    ) -> None:
        """``started_at``: monotonic seconds."""
        self._seed, self.rules, self._started_at = seed, rules or [], started_at
        self._number = 0

    def next(self, now: float) -> FaultRule | None:
        """The fate of the next request.

        The same seed and rules give the same fates in the same order.
        """
        number, self._number = self._number, self._number + 1
        left = fraction(self._seed, "fault", number)
        for rule in self.rules:
            if not rule.covers(number, now - self._started_at):
                continue
            if left < rule.share:
                return rule
            left -= rule.share
        return None
