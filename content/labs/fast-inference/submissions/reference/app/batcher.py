"""Dynamic batching: what came while the last batch was computed is the next one.

Nobody waits for company.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from app.scorer import Scorer

MOST = 32
Waiting = tuple[list[int], "asyncio.Future[float]"]


class Batcher:
    def __init__(self) -> None:
        self.scorer: Scorer | None = None
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1)

    async def score(self, ids: list[int]) -> float:
        """The score of one row, computed together with those of others."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((ids, future))
        return await future

    async def work(self) -> None:
        """Batch after batch, for as long as the service lives."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MOST and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._compute(batch)

    async def _compute(self, batch: list[Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            assert self.scorer is not None
            scores = await loop.run_in_executor(
                self._thread, self.scorer.run, [ids for ids, _ in batch]
            )
        except Exception as problem:
            for _, future in batch:
                if not future.done():
                    future.set_exception(problem)
            return
        for (_, future), score in zip(batch, scores, strict=True):
            if not future.done():  # its client may have hung up
                future.set_result(score)
