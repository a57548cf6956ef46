"""What another process needs to open a pod that is there already: plain data, kept with a lease.

A session outlives the request that made it and the worker that started it (sessions), so a pod must
not live and die with a Python object.
"""

from __future__ import annotations

from grader.engines.base import PartySpec, RunLabels
from grader.result import Frozen


class PartyHandle(Frozen):
    """One party: its specification, and what stands for it in the engine."""

    spec: PartySpec
    container: str
    volume: str = ""
    keeper: str = ""
    """The container that keeps the volume mounted."""


class PodHandle(Frozen):
    """A pod. ``model_dump_json`` and ``model_validate_json`` carry it between processes."""

    engine: str
    """Which kind of engine made it; another kind can't open it."""
    labels: RunLabels
    place: str
    """What stands for the namespace itself."""
    prefix: str = ""
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    parties: dict[str, PartyHandle] = {}
