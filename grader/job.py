"""GradingJob: everything a run needs, built once. The database is not read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.lab import LabContent, SourceFile


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checked source tree.

    ``files`` maps relative POSIX paths to contents; ``digest`` is sha256 hex over both.
    """

    files: Mapping[PurePosixPath, SourceFile]
    digest: str
    left_out: tuple[str, ...] = ()
    """What the archive held and was not taken, in words. No part of what is graded."""


@dataclass(frozen=True, slots=True)
class GradingJob:
    """One run.

    ``seed`` decides all hidden data; ``run_id`` and ``fence`` label everything it starts.
    """

    lab: LabContent
    snapshot: Snapshot
    seed: str
    run_id: str
    fence: int = 1
    cancelled: Callable[[], bool] = field(default=never)
    """Asked between steps and at least once a second while waiting;

    True ends the run with ``cancelled``.
    """
    only: frozenset[str] = frozenset()
    """Grade only these criteria (a learner's tool); empty means all."""
