"""Several of one kind: how many were right, and the first that was not, with its exchange."""

from __future__ import annotations

from grader.checks.outcome import counted, every, failed, passed
from grader.http.response import Response
from grader.result import Measurement, Rule


class Tally:
    """Add each one with its problem ("" when it is right), then ask for the verdict.

    ``unit`` names them in the plural: "restarts after which the answer was right".
    """

    def __init__(self, unit: str, rule: Rule | None = None) -> None:
        self.unit = unit
        self.rule = rule or every(unit)
        self.total = 0
        self.faults: list[tuple[str, Response | None]] = []

    @property
    def good(self) -> int:
        return self.total - len(self.faults)

    def add(self, problem: str, response: Response | None = None) -> None:
        self.total += 1
        if problem:
            self.faults.append((problem, response))

    def verdict(self, message: str, advice: str) -> Measurement:
        """Passed with ``message`` when all were right; else the first problem, with ``advice``."""
        measured = counted(self.good, self.total, self.unit)
        if not self.faults:
            return passed(message, measured, self.rule)
        problem, response = self.faults[0]
        return failed(problem, measured, self.rule, advice, response)
