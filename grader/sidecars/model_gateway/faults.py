"""The seeded fault schedule: which request is refused, hung or broken. Chosen before a body is read."""

from __future__ import annotations

import random
from typing import Literal

from pydantic import Field

from grader.result import Frozen

Kind = Literal["429", "500", "hang", "slow", "reset", "bad_json"]


class Rule(Frozen):
    """A share of requests within a window of request numbers, counted since the schedule was set."""

    kind: Kind
    share: float = Field(gt=0, le=1)
    models: list[str] = []
    from_index: int = 0
    to_index: int | None = None
    retry_after_s: float = 1.0
    factor: float = Field(8.0, ge=1, le=100, description="of 'slow': how many times longer tokens take")


class Schedule:
    """Deterministic: the n-th request under the same seed and rules meets the same fault."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rules: list[Rule] = []
        self._count = 0

    def set(self, rules: list[Rule]) -> None:
        """Replace the rules and count from 0 again. Raises ValueError when shares add up to more than 1."""
        if sum(rule.share for rule in rules) > 1 + 1e-9:
            raise ValueError("the shares of the rules add up to more than 1")
        self._rules, self._count = rules, 0

    def next(self) -> Rule | None:
        """The fault of the next request, if any. ``models`` is judged later, when the body is known."""
        index, self._count = self._count, self._count + 1
        point = random.Random(f"{self._seed}\0faults\0{index}").random()
        for rule in self._rules:
            if rule.from_index <= index and (rule.to_index is None or index < rule.to_index):
                if point < rule.share:
                    return rule
                point -= rule.share
        return None
