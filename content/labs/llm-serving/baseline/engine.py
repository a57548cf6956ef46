"""R: the same weights, one request at a time, in order of arrival.

Nothing is shared and nobody is refused.
"""

import asyncio
import codecs
import queue
import threading

import numpy as np
from model import Model, ffi, lib

CONTEXT = 2048


class Job:
    """One request. `events` receives text, and at last a finish reason."""

    def __init__(self, prompt: list[int], max_tokens: int) -> None:
        self.prompt, self.max_tokens = prompt, max_tokens
        self.loop = asyncio.get_running_loop()
        self.events: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self.cancelled = False
        self.count = 0
        self.length = 0
        self.steps: list[tuple[int, float]] = []
        """For each choice: where its text ends, and how much better than the second best it was
        (logits).
        """

    def tell(self, text: str, finish: str | None, margin: float) -> None:
        self.length += len(text)
        self.steps.append((self.length, round(margin, 4)))
        self.loop.call_soon_threadsafe(self.events.put_nowait, (text, finish))


def choose(model: Model, index: int) -> tuple[int, float]:
    """The most likely token of a step, and its lead over the next one in logits."""
    row = lib.llama_get_logits_ith(model.context, index)
    logits = np.frombuffer(ffi.buffer(row, model.size * 4), np.float32)
    best = int(logits.argmax())
    lead = logits[best]
    logits[best] = -np.inf
    return best, float(lead - logits.max())


class Engine:
    def __init__(self) -> None:
        self.ready = threading.Event()
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.tokens = 0
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, job: Job) -> None:
        self.jobs.put(job)

    def cancel(self, job: Job) -> None:
        job.cancelled = True

    def _work(self) -> None:
        self.model = Model(CONTEXT, 1)
        self.model.decode(
            [(t, i, 0, i == 0) for i, t in enumerate(self.model.tokenize("Warm up."))]
        )
        self.model.forget(0)
        self.ready.set()
        while True:
            job = self.jobs.get()
            if not job.cancelled:
                self._answer(job)
                self.model.forget(0)

    def _answer(self, job: Job) -> None:
        model, text, done = self.model, codecs.getincrementaldecoder("utf-8")("replace"), 0
        while done < len(job.prompt):
            part = job.prompt[done : done + model.batch_size]
            done += len(part)
            model.decode(
                [(t, done - len(part) + i, 0, i == len(part) - 1) for i, t in enumerate(part)]
            )
        token, margin = choose(model, len(part) - 1)
        while not job.cancelled:
            if model.is_end(token):
                return job.tell(text.decode(b"", True), "stop", margin)
            job.count += 1
            self.tokens += 1
            last = job.count == job.max_tokens
            job.tell(text.decode(model.piece(token), last), "length" if last else None, margin)
            if last:
                return None
            model.decode([(token, done, 0, True)])
            done += 1
            token, margin = choose(model, 0)
        return None
