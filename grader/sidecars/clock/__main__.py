"""``python -m grader.sidecars.clock``: takes its start line, serves until stdin ends."""

from __future__ import annotations

import asyncio

from grader.sidecars.clock.clock import Clock
from grader.sidecars.clock.kind import ClockConfig
from grader.sidecars.serving import serve
from grader.sidecars.stdio import Stdio


async def main() -> None:
    stdio = await Stdio.open()
    start = await stdio.start_line()
    clock = Clock(ClockConfig.model_validate(start.config))
    await serve(clock, start.port, stdio, clock.obey)


if __name__ == "__main__":
    asyncio.run(main())
