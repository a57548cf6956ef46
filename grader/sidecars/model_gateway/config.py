"""Configuration of the gateway, as a lab writes it under ``config:``."""

from __future__ import annotations

from pydantic import Field

from grader.sidecars.base import SidecarConfig


class ModelConfig(SidecarConfig):
    """Prices in millionths of a currency unit per 1,000 tokens; times in milliseconds, jittered by the seed."""

    prompt_micro_per_1k: int = Field(150, ge=0)
    completion_micro_per_1k: int = Field(600, ge=0)
    ttft_ms: float = Field(20, ge=0, le=60_000)
    itl_ms: float = Field(2, ge=0, le=10_000)
    jitter: float = Field(0.2, ge=0, le=1, description="share of the time that the seed may add or take away")


class GatewayConfig(SidecarConfig):
    """``models`` by name; ``keys`` that are accepted (any, when empty)."""

    models: dict[str, ModelConfig] = Field(default_factory=lambda: {"reader": ModelConfig()})
    keys: list[str] = []
