"""A chat service in memory for the checks of llm-serving, its baseline, and the context they are
judged in.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import re
import time
import zlib
from types import SimpleNamespace
from typing import Any

from grader.http.response import Response
from grader.result import Measurement, Outcome

TOKEN_S, PROMPT_TOKEN_S = 0.0003, 0.00005
CONTEXT, LONGEST = 2048, 512
TOKEN = re.compile(r"\s?\S+|\s")
PARAMS: dict[str, dict[str, Any]] = {"TokenByToken": {"cases_from": "prompts.streams"}}


def tokens_of(text: str) -> int:
    """A word with the space before it is a token, and so is each space more."""
    return len(TOKEN.findall(text))


class Service:
    """A model of letters: a token of an answer is three of them.

    Eight are served at once, and four may wait.
    """

    slots, waiting, name = 8, 4, "app"
    retry_after: str | None = "1"
    full_status = 429
    finish = "length"
    default_tokens = 64
    drip = 0.0
    """Of the time that an answer takes: how long it is sent once it is whole."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(self.slots)
        self.inside = 0
        self.known: set[str] = set()
        self.tasks: set[asyncio.Task[Any]] = set()

    async def request(
        self, method: str, path: str, *, json: Any, timeout_s: float, **_: Any
    ) -> Response:
        now = time.perf_counter()
        response = Response(method, path, {}, b"", self.name, now, time.time())
        if not self.fits({"max_tokens": self.default_tokens, **json}):
            return self.refuse(response, 400)
        if self.inside >= self.slots + self.waiting:
            return self.refuse(response, self.full_status)
        try:
            async with asyncio.timeout(timeout_s):
                await self.work(response, json)
        except TimeoutError:
            response.error = f"no complete answer within {timeout_s:g} s"
        return response

    def fits(self, chat: Any) -> bool:
        return bool(
            chat["max_tokens"] <= LONGEST
            and self.prompt_tokens(chat) + chat["max_tokens"] <= CONTEXT
        )

    def refuse(self, response: Response, status: int) -> Response:
        response.status, response.done_at = status, time.perf_counter()
        if self.retry_after is not None:
            response.headers["retry-after"] = self.retry_after
        return response

    async def work(self, response: Response, chat: Any) -> None:
        self.inside += 1
        try:
            async with self.gate:
                await self.answer(response, chat)
        finally:
            self.inside -= 1

    async def answer(self, response: Response, chat: Any) -> None:
        chat = {"max_tokens": self.default_tokens, **chat}
        tokens = self.text(chat)
        await asyncio.sleep(self.prefill(chat) * PROMPT_TOKEN_S)
        first = time.perf_counter()
        await asyncio.sleep(len(tokens) * TOKEN_S)
        last = time.perf_counter()
        if self.drip:
            await asyncio.sleep((last - first) * self.drip)
            first, last = last, time.perf_counter()
        response.status = 200
        usage = self.usage(self.prompt_tokens(chat), len(tokens), chat)
        if chat["stream"]:
            for i, token in enumerate(tokens):
                at = first + (last - first) * i / len(tokens)
                self.event(response, at, {"choices": [{"delta": {"content": token}}]})
            for end in self.ends(usage):
                self.event(response, last, end)
            response.chunks.append((last, b"data: [DONE]\n\n"))
        else:
            message = {"role": "assistant", "content": "".join(tokens)}
            body = {"choices": [{"message": message, "finish_reason": self.finish}], "usage": usage}
            response.chunks.append((last, json.dumps(body).encode()))
        response.done_at = time.perf_counter()

    def ends(self, usage: Any) -> list[Any]:
        """The events between the text and the end mark."""
        return [{"choices": [{"delta": {}, "finish_reason": self.finish}], "usage": usage}]

    @staticmethod
    def event(response: Response, at: float, document: Any) -> None:
        response.chunks.append((at, b"data: " + json.dumps(document).encode() + b"\n\n"))

    def prompt_tokens(self, chat: Any) -> int:
        return sum(4 + tokens_of(m["content"]) for m in chat["messages"])

    def prefill(self, chat: Any) -> int:
        """Prompt tokens to compute: a system prompt is computed once."""
        system = [m["content"] for m in chat["messages"] if m["role"] == "system"]
        spared = sum(tokens_of(text) for text in system if text in self.known)
        self.known.update(system)
        return self.prompt_tokens(chat) - spared

    def text(self, chat: Any) -> list[str]:
        rng = random.Random(zlib.crc32(json.dumps(chat["messages"]).encode()))
        return ["".join(rng.choices("abcdefgh ", k=3)) for _ in range(chat["max_tokens"])]

    def usage(self, prompt: int, made: int, chat: Any) -> Any:
        return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


class Baseline(Service):
    slots, waiting, name = 1, 10_000, "baseline"

    def prefill(self, chat: Any) -> int:
        return self.prompt_tokens(chat)


class World:
    """A context with a learner's service and the baseline."""

    def __init__(self, service: type[Service], seed: str = "7") -> None:
        self.seed, self.app, self._baseline = seed, service(), Baseline()
        self.spec = SimpleNamespace(baseline=SimpleNamespace(name="baseline"))

    def target(self, name: str) -> Service:
        assert name == "baseline"
        return self._baseline

    def rng(self, label: str) -> random.Random:
        return random.Random(f"{self.seed}\0{label}")

    @staticmethod
    def lab_module(name: str) -> Any:
        return importlib.import_module(f"lab_checks.{name}")


async def judge(check: str, service: type[Service]) -> Measurement:
    module, _, name = check.partition(".")
    cls = getattr(importlib.import_module(f"lab_checks.{module}"), name)
    for _ in range(3):  # what is undecided is measured again, as in a run
        result: Measurement = await cls(cls.params_model(**PARAMS.get(name, {}))).run(
            World(service)
        )
        if result.outcome is not Outcome.INCONCLUSIVE:
            break
    return result
