"""The fraud lab's checks as modules, and a service in memory that they can ask: right, or with one
flaw.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from labkit import LABS, lab_checks
from loadkit import Seen, answer

from grader.checks.once import Once
from grader.checks.outcome import counted, every, passed
from grader.http.response import Response

LAB = LABS / "fast-inference"
MODULES = ("model", "texts", "asking", "install", "speed", "tail", "embedding", "fidelity", "cases")
WIDTH = 64
MADE: list[Any] = []
"""Models by the number in their files."""


@contextmanager
def lab_modules() -> Iterator[SimpleNamespace]:
    """The modules of checks/ by name, with a model of ``WIDTH`` ids and no ONNX (the host has
    none).
    """
    with lab_checks("fast-inference"):
        made = SimpleNamespace(
            **{name: importlib.import_module(f"lab_checks.{name}") for name in MODULES}
        )
        made.model.WIDTH = WIDTH
        made.model.Model.onnx = file_of
        yield made


def file_of(model: Any) -> bytes:
    """What stands for the model's ONNX file."""
    MADE.append(model)
    return b"f%06d" % (len(MADE) - 1) + b"f" * 1_000_000


def true_vector(text: str) -> np.ndarray:
    """A vector that only this text has."""
    g = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    v = g.standard_normal(384)
    return np.asarray(v / np.linalg.norm(v))


class Service:
    """Answers like a batching service: what is asked in one turn of the loop is one batch.

    Flaws: ``swapped`` (every batch of several), ``shifted`` (only beside an unknown id), ``killed``
    (an unknown id
    fails its batch), ``coarse`` (few bits), ``busy`` (a guess when several wait), ``mixed``
    (vectors of other texts),
    ``long`` (vectors of any length), ``forgets`` (the model, when another file is no model),
    ``first`` (keeps the first model), ``cuts`` (long texts sooner than it may).
    """

    name = "app"

    def __init__(self, flaw: str = "") -> None:
        self.flaw = flaw
        self.model: Any = None
        self.memory = 100_000_000
        self.embed_s = 0.001
        self._waiting: list[tuple[list[int], asyncio.Future[Any]]] = []

    def take(self, model: Any) -> None:
        self.model = model

    async def request(
        self, method: str, path: str, *, json: Any = None, body: bytes | None = None, **_: Any
    ) -> Response:
        if path == "/model":
            return self._put(body or b"")
        if path == "/embed":
            return _said(200, {"vectors": self._vectors(json["texts"])}, self.embed_s)
        return await self._score(_ids(body))

    def _put(self, body: bytes) -> Response:
        if body.startswith(b"f"):
            self.memory += 30_000_000 if self.model is None else 0
            if self.model is None or self.flaw != "first":
                self.model = MADE[int(body[1:7])]
            return _said(200, {})
        if self.flaw == "takes anything":
            return _said(200, {})
        if self.flaw == "forgets":
            self.model = None
        return _said(422, {})

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        if self.flaw == "mixed":
            texts = [text[::-1] for text in texts]
        if self.flaw == "cuts":
            texts = [" ".join(text.split()[:110]) for text in texts]
        length = 5.0 if self.flaw == "long" else 1.0
        return [[length * float(x) for x in true_vector(text)] for text in texts]

    async def _score(self, ids: list[int]) -> Response:
        if self.model is None:
            return _said(503, {})
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((ids, future))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, self._flush)
        found = await future
        if isinstance(found, int):
            return _said(found, {})
        return _said(200, {"score": found, "decision": "fraud" if found >= 0.5 else "ok"})

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        self._answer(batch)

    def _answer(self, batch: list[tuple[list[int], asyncio.Future[Any]]]) -> None:
        answers: list[Any] = [422 if max(ids) >= WIDTH else self._scored(ids) for ids, _ in batch]
        if self.flaw == "swapped" or (self.flaw == "shifted" and 422 in answers):
            good = [i for i, a in enumerate(answers) if a != 422]
            moved = [answers[i] for i in good]
            for i, answer in zip(good, moved[1:] + moved[:1], strict=True):
                answers[i] = answer
        if self.flaw == "killed" and 422 in answers:
            answers = [422] * len(answers)
        if self.flaw == "busy" and len(answers) > 4:
            answers = [a if a == 422 else 0.9 for a in answers]
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _scored(self, ids: list[int]) -> float:
        x = np.zeros((1, WIDTH), np.float32)
        np.add.at(x[0], ids, 1.0)
        z = float(self.model.logits(x / np.float32(np.sqrt(len(ids))))[0])
        if self.flaw == "coarse":
            z += random.Random(repr(sorted(ids))).gauss(0, 2.5)
        return float(1 / (1 + np.exp(-z)))


class Timed(Service):
    """The same over a socket: a step of the model takes ``step_s`` for up to ``most`` rows;

    ``queue`` may wait.
    """

    def __init__(
        self, flaw: str = "", *, most: int = 32, step_s: float = 0.003, queue: int = 1000
    ) -> None:
        super().__init__(flaw)
        self.most, self.step_s, self.queue = most, step_s, queue
        self._working = False

    async def handle(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if len(self._waiting) >= self.queue:
            writer.write(answer(b"{}", "429 Too Many Requests"))
            return
        response = await self._score(_ids(seen.body))
        writer.write(answer(response.body, f"{response.status} Said"))

    def _flush(self) -> None:
        if not self._working:
            self._working = True
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
            await asyncio.sleep(self.step_s)
            self._answer(batch)
        self._working = False


def _ids(body: bytes | None) -> list[int]:
    return [int(i) for i in json.loads(body or b"{}")["ids"]]


def _said(status: int, document: Any, seconds: float = 0.001) -> Response:
    response = Response("POST", "/", {}, b"", "app", 0.0, 0.0)
    response.status, response.done_at = status, seconds
    response.chunks = [(0.0, json.dumps(document).encode())]
    return response


def context(checks: SimpleNamespace, app: Service, *, has_model: bool = True) -> Any:
    """A Context whose baseline is a right service.

    Both have the run's model already unless told otherwise.
    """
    baseline = Service()
    baseline.name = "r"
    made = checks.model.make(random.Random("weights"))

    async def control(action: str, party: str) -> dict[str, int]:
        assert action == "usage"
        return {"memory_bytes": {"app": app, "r": baseline}[party].memory}

    run = Once()
    run.shared["encoder"] = true_vector
    if has_model:
        app.take(made)
        baseline.take(made)
        run.shared["installed"] = passed("", counted(1, 1, "steps"), every("steps"))
    return SimpleNamespace(
        app=app,
        seed="seed",
        shared=run.shared,
        once=run.once,
        spec=SimpleNamespace(
            service=SimpleNamespace(name="app"), baseline=SimpleNamespace(name="r")
        ),
        rng=random.Random,
        target=lambda name: baseline,
        note=lambda text: None,
        control=control,
    )
