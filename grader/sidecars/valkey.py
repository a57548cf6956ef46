"""valkey as a sidecar kind: a store in memory that replicas share."""

from __future__ import annotations

from pydantic import Field

from grader.lab import Sidecar
from grader.sidecars.base import SidecarConfig, SidecarKind


class ValkeyConfig(SidecarConfig):
    """A full store refuses writes; nothing survives a restart."""

    max_mb: int = Field(48, ge=1, le=1024)


def valkey_env(sidecar: Sidecar) -> dict[str, str]:
    """What the image reads at its start."""
    return {"VALKEY_MAXMEMORY": f"{ValkeyConfig.model_validate(sidecar.config).max_mb}mb"}


KIND = SidecarKind(
    id="valkey",
    image="seatrial/edge:1",
    command=("/opt/seatrial/edge/store.sh",),
    config_model=ValkeyConfig,
    env=valkey_env,
)
