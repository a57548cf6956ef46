"""What a check is, and what it may use. Checks run in the probe, inside the pod.

A check is one small class: an id, a Pydantic model of its parameters, and ``run``. It sees the pod
only through its Context. Anything it reads from the learner's service is untrusted and arrives
bounded.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeVar

from grader.checks.once import Unmeasurable
from grader.http.client import Target
from grader.lab import LabSpec
from grader.result import Frozen, Measurement
from grader.wire.control import ControlError

__all__ = ["Check", "Context", "ControlError", "Params", "PartyFailed", "Unmeasurable"]

T = TypeVar("T")


class Context(Protocol):
    """What a check sees of the run."""

    @property
    def spec(self) -> LabSpec: ...

    @property
    def seed(self) -> str: ...

    @property
    def app(self) -> Target:
        """The learner's service."""
        ...

    @property
    def replicas(self) -> tuple[str, ...]:
        """Names of the containers that run the learner's code: one, or the copies behind the
        balancer.
        """
        ...

    def target(self, name: str) -> Target:
        """Any party with a port, by its name in the pod (the baseline, a sidecar, one replica past
        the balancer).
        """
        ...

    @property
    def shared(self) -> dict[str, Any]:
        """Scratch space that lives as long as the run: a generated corpus, what was already
        ingested, ...
        """
        ...

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What ``make`` gave the first time this run; what it raised as Unmeasurable is raised
        again for every criterion that needs it.
        """
        ...

    def rng(self, label: str) -> random.Random:
        """A generator that depends on the run's seed and ``label`` only."""
        ...

    def lab_module(self, name: str) -> ModuleType:
        """A module of the lab's own ``checks/`` folder, e.g. its corpus generator."""
        ...

    def lab_file(self, path: str) -> bytes:
        """A file of the lab folder that was sent to the probe: the contract or anything under
        checks/.
        """
        ...

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        """Ask the engine side. Actions, with their replies:

        - ``state`` -> {running, exit_code, oom_killed, paused}
        - ``stop`` (grace_s) -> the same, after SIGTERM and, when the grace is over, SIGKILL, plus
          {seconds}
        - ``signal`` (signal) -> {}      ``restart`` -> {}      ``pause`` / ``unpause`` -> {}
        - ``fill_data`` / ``free_data`` -> {}: all the space left in the party's /data, taken and
          given back
        - ``limit_memory`` (memory_mb) -> {held}: False when the party uses more and nothing was
          changed
        - ``logs`` (since_s Unix time, max_bytes) -> {text}
        - ``usage`` -> {cpu_s, memory_peak_bytes, memory_bytes (in use now, without pages of files)}
        - ``command`` (payload: dict) -> the sidecar's reply: its ledger, its fault schedule, ...

        Raises ControlError.
        """
        ...

    def note(self, text: str) -> None:
        """A line for the run's log, e.g. what is being measured right now."""
        ...


class PartyFailed(Exception):
    """A baseline or a sidecar gave no usable answer, so nothing can be said about the service.

    The criterion ends as inconclusive; the others go on. Say who failed and how: "the baseline
    answered 503".
    """


class Params(Frozen):
    """Base of the parameter models."""


class Check(ABC):
    """One measurement.

    Subclass, set ``id`` and ``params_model``, implement ``run``, add a line to the table.
    """

    id: ClassVar[str]
    params_model: ClassVar[type[Params]] = Params

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    async def run(self, ctx: Context) -> Measurement:
        """Measure.

        Raise nothing for what the learner's service does: a failure is a Measurement with advice.

        PartyFailed says that a baseline or a sidecar gave way, Unmeasurable that something failed
        on which this check builds. Any other exception that leaves this
        method is our fault: the criterion is not judged, its traceback is kept, and the other
        criteria go on.
        """
