"""The proxy's ``config:`` in lab.yaml, and the state of the link that checks set while it runs."""

from __future__ import annotations

from pydantic import Field

from grader.result import Frozen
from grader.sidecars.base import PYTHON_IMAGE, SidecarConfig, SidecarKind


class ProxyConfig(SidecarConfig):
    """``upstream``: 'name:port' of the party behind the proxy."""

    upstream: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}:[0-9]{1,5}$")
    max_connections: int = Field(256, ge=1, le=2048)


class Link(Frozen):
    """How the link behaves from now on, in both directions.

    The default is a link without faults.
    """

    latency_ms: float = Field(0, ge=0, le=60_000, description="added to everything, each way")
    jitter_ms: float = Field(
        0, ge=0, le=60_000, description="up to so much more; the order is kept"
    )
    loss: float = Field(
        0, ge=0, le=0.5, description="share of packets that have to be sent again, each way"
    )
    bytes_per_s: float | None = Field(None, gt=0, description="of each connection and direction")
    stalled: bool = Field(False, description="connections stay open and nothing arrives")
    cut: bool = Field(False, description="open connections are reset, new ones too")


KIND = SidecarKind(
    id="fault-proxy",
    image=PYTHON_IMAGE,
    command=("python", "-m", "grader.sidecars.fault_proxy"),
    config_model=ProxyConfig,
    interactive=True,
)
