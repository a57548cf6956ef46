"""``python -m grader.sidecars.otlp``: takes its start line, receives until stdin ends."""

from __future__ import annotations

import asyncio

from grader.sidecars.otlp.app import Receiver
from grader.sidecars.otlp.kind import OtlpConfig
from grader.sidecars.otlp.store import Store
from grader.sidecars.serving import serve
from grader.sidecars.stdio import Stdio


async def main() -> None:
    """The engine hanging up is the end of the run."""
    stdio = await Stdio.open()
    start = await stdio.start_line()
    config = OtlpConfig.model_validate(start.config)
    receiver = Receiver(Store(config.max_traces))
    await serve(receiver, start.port, stdio, receiver.obey, config.max_connections)


if __name__ == "__main__":
    asyncio.run(main())
