"""The gateway's ``config:`` in lab.yaml. Also read inside the container, from the start line."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grader.sidecars.base import PYTHON_IMAGE, SidecarConfig, SidecarKind

ModelKind = Literal["reader", "stream"]


class ModelConfig(SidecarConfig):
    """One model: what it is, what it costs (micro-units of money per token), and how fast its
    tokens come.
    """

    kind: ModelKind = "reader"
    prompt_price: int = Field(1, ge=0, le=1_000_000, description="micro-units per prompt token")
    completion_price: int = Field(
        4, ge=0, le=1_000_000, description="micro-units per completion token"
    )
    ttft_ms: float = Field(60, ge=0, le=10_000, description="time to first token")
    itl_ms: float = Field(8, ge=0, le=2_000, description="inter-token latency")
    jitter: float = Field(0.25, ge=0, le=1, description="share by which both vary, by the seed")


class GatewayConfig(SidecarConfig):
    """Without ``keys`` anybody may call."""

    models: dict[str, ModelConfig] = {
        "reader": ModelConfig(),
        "stream": ModelConfig(kind="stream", itl_ms=25),
    }
    keys: list[str] = Field([], max_length=64)
    embedding_price: int = Field(
        1, ge=0, le=1_000_000, description="micro-units per embedded token"
    )
    embeddings: bool = Field(
        True, description="False: no embedder is loaded; only models of kind stream work"
    )
    max_connections: int = Field(128, ge=1, le=512)


KIND = SidecarKind(
    id="model-gateway",
    image=PYTHON_IMAGE,
    command=("python", "-m", "grader.sidecars.model_gateway"),
    config_model=GatewayConfig,
    interactive=True,
)
