"""The sidecar's ``config:`` in lab.yaml.

Read on the engine's side too, so it needs no HTTP server.
"""

from __future__ import annotations

from pydantic import Field

from grader.sidecars.base import PYTHON_IMAGE, SidecarConfig, SidecarKind


class ClockConfig(SidecarConfig):
    """``start``: the Unix time that the clock shows when it starts; without it, the real one."""

    start: float | None = Field(None, ge=0, le=4e9)


KIND = SidecarKind(
    id="clock",
    image=PYTHON_IMAGE,
    command=("python", "-m", "grader.sidecars.clock"),
    config_model=ClockConfig,
    interactive=True,
)
