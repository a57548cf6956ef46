"""The sidecar's ``config:`` in lab.yaml."""

from __future__ import annotations

from pydantic import Field

from grader.sidecars.base import PYTHON_IMAGE, SidecarConfig, SidecarKind


class OtlpConfig(SidecarConfig):
    """When there are more traces than ``max_traces``, the oldest are forgotten."""

    max_traces: int = Field(20_000, ge=100, le=100_000)
    max_connections: int = Field(64, ge=1, le=256)


KIND = SidecarKind(
    id="otlp",
    image=PYTHON_IMAGE,
    command=("python", "-m", "grader.sidecars.otlp"),
    config_model=OtlpConfig,
    interactive=True,
)
