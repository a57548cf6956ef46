"""``python -m grader.sidecars.prometheus``: takes its start line, runs Prometheus until stdin
ends.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from grader.sidecars.prometheus.control import obey
from grader.sidecars.prometheus.kind import PrometheusConfig
from grader.sidecars.prometheus.server import Server
from grader.sidecars.stdio import Stdio

FOLDER = Path("/tmp/prometheus")  # noqa: S108 - the container's own tmpfs


async def main() -> None:
    """The engine hanging up is the end of the run."""
    stdio = await Stdio.open()
    start = await stdio.start_line()
    server = Server(PrometheusConfig.model_validate(start.config), start.port, FOLDER)
    try:
        await asyncio.to_thread(server.start)
        await stdio.serve(partial(obey, server, FOLDER))
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(main())
