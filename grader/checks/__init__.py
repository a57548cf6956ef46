"""The table of library checks: id -> dotted path. One line per check; third parties use the entry
points ``seatrial.checks`` (name = id, value = 'module:Class').
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.checks.base import Check

TABLE: dict[str, str] = {
    "health": "grader.checks.health.Health",
    "contract": "grader.checks.contract.Contract",
    "functional": "grader.checks.functional.Functional",
    "restart_persistence": "grader.checks.persistence.RestartPersistence",
    "graceful_stop": "grader.checks.graceful.GracefulStop",
    "sigterm_under_load": "grader.checks.replacement.SigtermUnderLoad",
    "rolling_replacement": "grader.checks.replacement.RollingReplacement",
    "stateless": "grader.checks.stateless.Stateless",
    "latency_ratio": "grader.checks.latency.LatencyRatio",
    "throughput_ratio": "grader.checks.throughput.ThroughputRatio",
    "streaming": "grader.checks.streaming.Streaming",
    "peak_memory": "grader.checks.cost.PeakMemory",
}


def find(check_id: str) -> type[Check]:
    """The class of a library check or of a third party's. Raises KeyError for an unknown id."""
    path = TABLE.get(check_id)
    if path is None:
        for point in entry_points(group="seatrial.checks"):
            if point.name == check_id:
                found: type[Check] = point.load()
                return found
        raise KeyError(check_id)
    module, _, name = path.rpartition(".")
    cls: type[Check] = getattr(import_module(module), name)
    return cls
