"""Typed errors.

Each says what happened and what to do; whose fault it is follows from the class.
"""

from __future__ import annotations


class SeatrialError(Exception):
    """Base. ``advice`` tells the reader what to do next."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class LearnerError(SeatrialError):
    """The submission can't be graded (verdict ``not_gradable``)."""


class ArchiveRefused(LearnerError):
    """The uploaded archive or folder breaks a bound."""


class DockerfileRefused(LearnerError):
    """The Dockerfile uses something that a contained build does not allow."""


class BuildFailed(LearnerError):
    """The build of the learner's image failed, hung, or broke a bound.

    ``tail``: the last lines of its output.
    """

    def __init__(self, message: str, advice: str = "", tail: tuple[str, ...] = ()) -> None:
        super().__init__(message, advice)
        self.tail = tail


class NotReady(LearnerError):
    """The learner's service never became ready."""


class SpecError(SeatrialError):
    """A lab folder is invalid. The message names file, line and field."""


class EngineUnavailable(SeatrialError):
    """No container engine answers, or it lacks what is needed (our fault, verdict ``errored``)."""


class SandboxError(SeatrialError):
    """The engine or a sidecar failed (our fault, verdict ``errored``)."""


class RunCancelled(SeatrialError):
    """The run was cancelled by a person, or its lease was lost."""
