"""``python -m grader.sidecars.model_gateway``: takes its start line, serves until stdin ends."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import uvicorn

from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.asgi import BoundedProtocol
from grader.sidecars.model_gateway.config import GatewayConfig
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.embedding import Counter
from grader.sidecars.stdio import Stdio


async def serve() -> None:
    """Never returns normally before stdin ends: the engine hanging up is the end of the run."""
    stdio = await Stdio.open()
    start = await stdio.start_line()
    config = GatewayConfig.model_validate(start.config)
    warm = warm_embedder if config.embeddings else Counter
    gateway = Gateway(start.seed, config, await asyncio.to_thread(warm))
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            host="0.0.0.0",  # noqa: S104 - every address of a pod is a loopback address
            port=start.port,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=config.max_connections,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise RuntimeError(f"the gateway could not listen on port {start.port}")
    await stdio.serve(partial(obey, gateway))
    server.should_exit = server.force_exit = True
    await serving


def warm_embedder() -> Any:
    """The embedder, used once so that the first request pays for nothing."""
    from grader.sidecars.model_gateway.embedding import Embedder

    embedder = Embedder()
    embedder.embed(["How long does a warm start take?"])
    embedder.count("warm")
    return embedder


if __name__ == "__main__":
    asyncio.run(serve())
