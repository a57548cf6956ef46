"""What the engine reports while it runs. Frozen, typed by ``type``, serialisable as JSON lines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from grader.result import CheckResult, Frozen, RunResult

Phase = Literal["build", "deploy", "ready", "grade", "teardown"]
"""The phases of a run, in this order."""


class PhaseStarted(Frozen):
    type: Literal["phase_started"] = "phase_started"
    phase: Phase


class PhaseFinished(Frozen):
    type: Literal["phase_finished"] = "phase_finished"
    phase: Phase
    ok: bool
    seconds: float
    message: str = ""


class LogLine(Frozen):
    """A line of build output, of a service, or of Seatrial itself.

    ``text`` is untrusted and bounded.
    """

    type: Literal["log"] = "log"
    source: Literal["build", "app", "sidecar", "seatrial"]
    text: str
    level: Literal["info", "warn", "error"] = "info"


class CheckStarted(Frozen):
    type: Literal["check_started"] = "check_started"
    criterion: str


class CheckFinished(Frozen):
    type: Literal["check_finished"] = "check_finished"
    result: CheckResult


class EvidenceCollected(Frozen):
    """An artefact of the run. ``visibility`` 'private' is for the learner and instructors only."""

    type: Literal["evidence"] = "evidence"
    name: str
    media_type: str
    visibility: Literal["private", "reviewer"]
    content: str


class RunFinished(Frozen):
    """Always the last event."""

    type: Literal["run_finished"] = "run_finished"
    result: RunResult


Event = Annotated[
    PhaseStarted
    | PhaseFinished
    | LogLine
    | CheckStarted
    | CheckFinished
    | EvidenceCollected
    | RunFinished,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
