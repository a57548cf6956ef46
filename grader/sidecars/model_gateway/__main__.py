"""``python -m grader.sidecars.model_gateway``: takes its start line, serves until stdin ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import uvicorn

from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.asgi import BoundedProtocol
from grader.sidecars.model_gateway.control import MAX_LINE, parse_start, reply_to
from grader.sidecars.model_gateway.embedding import Counter


async def serve() -> None:
    """Never returns normally before stdin ends: the engine hanging up is the end of the run."""
    out_fd = os.dup(1)
    os.dup2(2, 1)  # whatever prints goes to stderr, so it can't garble the line protocol
    lines = asyncio.StreamReader(limit=MAX_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    start = parse_start(await lines.readline())
    warm = warm_embedder if start.config.embeddings else Counter
    gateway = Gateway(start.seed, start.config, await asyncio.to_thread(warm))
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
            limit_concurrency=start.config.max_connections,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise RuntimeError(f"the gateway could not listen on port {start.port}")
    write(out_fd, {"type": "ready"})
    while line := await lines.readline():
        write(out_fd, reply_to(gateway, line))
    server.should_exit = server.force_exit = True
    await serving


def warm_embedder() -> Any:
    """The embedder, used once so that the first request pays for nothing."""
    from grader.sidecars.model_gateway.embedding import Embedder

    embedder = Embedder()
    embedder.embed(["How long does a warm start take?"])
    embedder.count("warm")
    return embedder


def write(out_fd: int, message: dict[str, Any]) -> None:
    """One line. Blocks while the pipe is full: the engine reads what it asks for."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(out_fd, data) :]


if __name__ == "__main__":
    asyncio.run(serve())
