"""GradingJob: everything a run needs, built once. The database is not read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.spec import LabSpec


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One regular file of a snapshot."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checked source tree. ``files`` maps relative POSIX paths to contents; ``digest`` is sha256 hex over both."""

    files: Mapping[PurePosixPath, SourceFile]
    digest: str


@dataclass(frozen=True, slots=True)
class LabContent:
    """A lab as it was published: its spec, every file of its folder, and the digest over them."""

    spec: LabSpec
    files: Mapping[PurePosixPath, bytes]
    digest: str


@dataclass(frozen=True, slots=True)
class GradingJob:
    """One run. ``seed`` decides all hidden data; ``run_id`` and ``fence`` label everything it starts."""

    lab: LabContent
    snapshot: Snapshot
    seed: str
    run_id: str
    fence: int = 1
    cancelled: Callable[[], bool] = field(default=_never)
    """Asked between steps and at least once a second while waiting; True ends the run with ``cancelled``."""
    only: frozenset[str] = frozenset()
    """Grade only these criteria (a learner's tool); empty means all."""
