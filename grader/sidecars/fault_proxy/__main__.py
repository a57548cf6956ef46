"""``python -m grader.sidecars.fault_proxy``: takes its start line, serves until stdin ends."""

from __future__ import annotations

import asyncio
import random

from grader.sidecars.fault_proxy.kind import ProxyConfig
from grader.sidecars.fault_proxy.proxy import Proxy
from grader.sidecars.stdio import Stdio


async def main() -> None:
    """The engine hanging up is the end of the run."""
    stdio = await Stdio.open()
    start = await stdio.start_line()
    rng = random.Random(f"{start.seed}\0{start.name}")
    proxy = Proxy(ProxyConfig.model_validate(start.config), rng)
    server = await proxy.start(start.port)
    await stdio.serve(proxy.obey)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
