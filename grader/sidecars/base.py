"""What a sidecar kind is: a real component, from one of our own images, that labs name in
``sidecars:``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.lab import Sidecar
from grader.result import Frozen

PYTHON_IMAGE = "seatrial/probe:1"
"""For sidecars that are programs of ours."""


class SidecarConfig(Frozen):
    """Base of the ``config:`` models."""


def _no_env(_: Sidecar) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class SidecarKind:
    """How a kind is started.

    Listening (TCP on its port) before the learner's code starts means ready.
    """

    id: str
    image: str
    command: tuple[str, ...] | None = None
    config_model: type[SidecarConfig] = SidecarConfig
    env: Callable[[Sidecar], dict[str, str]] = field(default=_no_env)
    """Environment of the sidecar's own container; PORT is always set."""
    interactive: bool = False
    """True: speaks JSON lines over stdin/stdout. The engine's first line is
    {"type": "start", "seed": str, "name": str, "port": int, "config": {...}}, answered by {"type":
    "ready"}; after that each {"type": "command", "id": n, "payload": {...}} is answered by {"type":
    "reply", "id": n, "ok": bool, "data": {...}}.
    """
    tmp_mb: int = 64
    data_mb: int = 0
    pids: int = 128


def config_of(kind: SidecarKind, sidecar: Sidecar) -> dict[str, Any]:
    """The validated configuration as plain JSON data. Raises pydantic.ValidationError."""
    return kind.config_model.model_validate(sidecar.config).model_dump(mode="json")
