"""The ai-gateway lab without an engine: three providers in this process, and a context over
whatever answers as app.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

from gateway_kit import WordEmbedder, serving

from grader.checks.once import Once
from grader.http.client import Target
from grader.lab import Service
from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.kind import GatewayConfig

ADMIN = "operator-token"
PROVIDER = {
    "models": {"chat": {"kind": "stream", "ttft_ms": 20, "itl_ms": 1}},
    "embeddings": False,
    "keys": ["provider-key"],
}

Listening = dict[str, tuple[Gateway, Target]]


class World(Once):
    """A context: three gateways and a service, of which there is one copy."""

    replicas = ("app",)

    def __init__(self, seed: str, gateways: dict[str, Gateway], app: Target) -> None:
        self.seed, self.gateways, self.app = seed, gateways, app
        super().__init__()
        self.spec = SimpleNamespace(service=Service(env={"ADMIN_TOKEN": ADMIN}))

    def rng(self, label: str) -> random.Random:
        return random.Random(f"{self.seed}\0{label}")

    def note(self, text: str) -> None:
        pass

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        assert action == "command"
        return obey(self.gateways[party], args["payload"])


@asynccontextmanager
async def providers(
    seed: str, config: dict[str, Any] | None = None
) -> AsyncIterator[dict[str, tuple[Gateway, Target]]]:
    """Name -> gateway and where it listens."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in ("north", "south", "west"):
            gateway = Gateway(
                seed, GatewayConfig.model_validate(config or PROVIDER), WordEmbedder()
            )
            found[name] = (gateway, await stack.enter_async_context(serving(gateway)))
        yield found
