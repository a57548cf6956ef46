"""How an interactive sidecar serves HTTP: uvicorn with bounds, beside the commands on stdin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn

from grader.sidecars.asgi import BoundedProtocol
from grader.sidecars.stdio import Stdio

KEEP_ALIVE_S = 75
"""Longer than clients keep a connection (httpx: 5 s). A server that closes first may do so just as
a request is on its way, and the learner would be blamed for the error that his users see.
"""


async def serve(
    app: Any, port: int, stdio: Stdio, obey: Callable[[Any], dict[str, Any]], most: int = 64
) -> None:
    """Serve ``app`` to at most ``most`` connections until stdin ends: the engine hanging up is the
    end of the run.

    Raises RuntimeError when the port can't be listened on.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="0.0.0.0",  # noqa: S104 - every address of a pod is a loopback address
            port=port,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=most,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise RuntimeError(f"could not listen on port {port}")
    await stdio.serve(obey)
    server.should_exit = server.force_exit = True
    await serving
