"""Continuous batching: one thread owns the model, and every step serves all running sequences.

A new request is admitted between two steps. Its system prompt is looked up first: a known one costs
a copy of KV cells instead of a computation.
"""

import asyncio
import codecs
import threading
from collections import OrderedDict, deque

from model import Model

SLOTS = 8  # requests that run at once
WAITING = 4  # requests that may wait for a slot; more are refused
PREFIXES = 2  # system prompts that are kept
CELLS = 6144  # KV cells of all sequences together
CONTEXT = 2048  # prompt and answer of one request
PREFILL = 64  # prompt tokens a step may hold while others are decoding, so that they don't stall


class Full(Exception):
    """Every slot is taken and enough requests are waiting."""


class Job:
    """One request.

    `events` receives text, and at last a finish reason; None means the engine broke.
    """

    def __init__(self, prompt: list[int], prefix: list[int], max_tokens: int) -> None:
        self.prompt, self.prefix, self.max_tokens = prompt, prefix, max_tokens
        self.loop = asyncio.get_running_loop()
        self.events: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self.cancelled = False
        self.slot = -1
        self.done = 0  # tokens whose cells are in the cache
        self.count = 0  # tokens of the answer so far
        self.last = -1
        self.text = codecs.getincrementaldecoder("utf-8")("replace")

    def tell(self, text: str, finish: str | None) -> None:
        self.loop.call_soon_threadsafe(self.events.put_nowait, (text, finish))


class Engine:
    def __init__(self) -> None:
        self.ready = threading.Event()
        self.lock = threading.Condition()
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self.free = list(range(SLOTS))
        self.prefixes: OrderedDict[tuple[int, ...], int] = OrderedDict()
        self.steps = self.tokens = self.shared = 0
        threading.Thread(target=self._work, daemon=True).start()

    # -- called by the web server

    def submit(self, job: Job) -> None:
        """Queue a request. Raises Full."""
        with self.lock:
            if len(self.running) + len(self.waiting) >= SLOTS + WAITING:
                raise Full
            self.waiting.append(job)
            self.lock.notify()

    def cancel(self, job: Job) -> None:
        with self.lock:
            job.cancelled = True
            self.lock.notify()

    # -- the engine's own thread

    def _work(self) -> None:
        self.model = Model(CELLS, SLOTS + PREFIXES)
        self.model.decode(
            [(t, i, 0, i == 0) for i, t in enumerate(self.model.tokenize("Warm up."))]
        )
        self.model.forget(0)
        self.ready.set()
        while True:
            with self.lock:
                while not self.waiting and not self.running:
                    self.lock.wait()
                self._sweep()
                self._admit()
            if self.running:
                self._step()

    def _sweep(self) -> None:
        """Requests whose client is gone give their slot back before the next step."""
        for job in [j for j in self.running if j.cancelled]:
            self._release(job)
        self.waiting = deque(j for j in self.waiting if not j.cancelled)

    def _release(self, job: Job) -> None:
        self.running.remove(job)
        self.model.forget(job.slot)
        self.free.append(job.slot)

    def _admit(self) -> None:
        """Move waiting requests into free slots while their cells are certain to fit."""
        while self.waiting and self.free:
            job = self.waiting[0]
            held = sum(len(p) for p in self.prefixes) + sum(
                len(j.prompt) + j.max_tokens for j in self.running
            )
            if held + len(job.prompt) + job.max_tokens > CELLS:
                if self.running:
                    return
                self._drop_prefix()
                continue
            self.waiting.popleft()
            job.slot = self.free.pop()
            self.running.append(job)
            self._reuse(job)

    def _reuse(self, job: Job) -> None:
        key = tuple(job.prefix)
        if key in self.prefixes:
            self.prefixes.move_to_end(key)
            self.model.copy(self.prefixes[key], job.slot, len(key))
            job.done = len(key)
            self.shared += len(key)

    def _keep(self, job: Job) -> None:
        """Keep the system prompt of a request whose prompt has just been computed."""
        key = tuple(job.prefix)
        if not key or key in self.prefixes:
            return
        if len(self.prefixes) == PREFIXES:
            self._drop_prefix()
        sequence = next(
            s for s in range(SLOTS, SLOTS + PREFIXES) if s not in self.prefixes.values()
        )
        self.model.copy(job.slot, sequence, len(key))
        self.prefixes[key] = sequence

    def _drop_prefix(self) -> None:
        self.model.forget(self.prefixes.popitem(last=False)[1])

    def _step(self) -> None:
        """One call of the model: a token of every decoding sequence, then pieces of prompts."""
        entries: list[tuple[int, int, int, bool]] = []
        wants: list[tuple[Job, int]] = []
        for job in self.running:
            if job.last >= 0:
                wants.append((job, len(entries)))
                entries.append((job.last, job.done, job.slot, True))
                job.done += 1
        room = PREFILL if entries else self.model.batch_size
        for job in self.running:
            if job.last < 0 and room > 0:
                end = min(len(job.prompt), job.done + room)
                whole = end == len(job.prompt)
                room -= end - job.done
                if whole:
                    wants.append((job, len(entries) + end - job.done - 1))
                entries += [
                    (job.prompt[i], i, job.slot, whole and i == end - 1)
                    for i in range(job.done, end)
                ]
                job.done = end
        self.model.decode(entries)
        self.steps += 1
        for job, index in wants:
            self._advance(job, self.model.best(index))

    def _advance(self, job: Job, token: int) -> None:
        if job.last < 0:
            self._keep(job)
        if self.model.is_end(token):
            finish: str | None = "stop"
            text = job.text.decode(b"", True)
        else:
            job.last = token
            job.count += 1
            self.tokens += 1
            finish = "length" if job.count == job.max_tokens else None
            text = job.text.decode(self.model.piece(token), finish is not None)
        job.tell(text, finish)
        if finish:
            with self.lock:
                self._release(job)
