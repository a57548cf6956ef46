"""``python -m grader.sidecars.model_gateway``: takes its start line, serves until stdin ends."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.embedding import Counter
from grader.sidecars.model_gateway.kind import GatewayConfig
from grader.sidecars.serving import serve
from grader.sidecars.stdio import Stdio


async def main() -> None:
    """Warm first, so that no request pays for it."""
    stdio = await Stdio.open()
    start = await stdio.start_line()
    config = GatewayConfig.model_validate(start.config)
    warm = warm_embedder if config.embeddings else Counter
    gateway = Gateway(start.seed, config, await asyncio.to_thread(warm))
    await serve(gateway, start.port, stdio, partial(obey, gateway), config.max_connections)


def warm_embedder() -> Any:
    """The embedder, used once so that the first request pays for nothing."""
    from grader.sidecars.model_gateway.embedding import Embedder

    embedder = Embedder()
    embedder.embed(["How long does a warm start take?"])
    embedder.count("warm")
    return embedder


if __name__ == "__main__":
    asyncio.run(main())
