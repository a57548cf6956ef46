"""What is done once in a run and used by several criteria: data that were taken in, a phase of load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from grader.result import Measurement, Outcome

T = TypeVar("T")


class Unmeasurable(Exception):
    """There is nothing to measure here, because what comes before it failed.

    ``measurement`` is the outcome of each criterion that needs it: say in its message what failed.
    """

    def __init__(self, measurement: Measurement) -> None:
        super().__init__(measurement.message)
        self.measurement = measurement


class Once:
    """The part of a Context that remembers, for as long as the run lives."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        self._failed: dict[str, Measurement] = {}

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What ``make`` gave the first time it was asked for by this name.

        Raises Unmeasurable again each time when it failed the first time; what a busy machine left
        undecided is tried anew.
        """
        if name in self._failed:
            raise Unmeasurable(self._failed[name])
        if name not in self.shared:
            try:
                self.shared[name] = await make()
            except Unmeasurable as error:
                if error.measurement.outcome is Outcome.FAILED:
                    self._failed[name] = error.measurement
                raise
        made: T = self.shared[name]
        return made
