"""What the gateway answers and how long it takes: pure functions of seed, model, messages and attempt."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from grader.sidecars.model_gateway.config import GatewayConfig, ModelConfig
from grader.sidecars.model_gateway.prompt import read_prompt
from grader.sidecars.model_gateway.reader import NOT_FOUND, Reader, Vectors

MAX_SEEN = 50_000


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished reply. ``pieces`` are the stream's chunks; ``delays_s`` what precedes each (the first is TTFT)."""

    text: str
    pieces: tuple[str, ...]
    delays_s: tuple[float, ...]
    prompt_tokens: int
    completion_tokens: int
    cost_micro: int


class Replies:
    """Makes replies; remembers how often the same was asked, because a second try may come out otherwise."""

    def __init__(self, seed: str, config: GatewayConfig, vectors: Vectors) -> None:
        self._seed, self._config, self._vectors = seed, config, vectors
        self._reader = Reader(vectors)
        self._seen: Counter[str] = Counter()

    def chat(self, model: str, texts: list[str], max_tokens: int) -> Reply:
        """The reply of ``model`` (one of the configured names) to the texts of the messages."""
        digest = hashlib.sha256(json.dumps([model, texts]).encode()).hexdigest()
        attempt = self._seen[digest]
        if len(self._seen) < MAX_SEEN or digest in self._seen:
            self._seen[digest] += 1
        text = self._read(texts)
        pieces = tuple(re.findall(r"\S+\s*", text))[: max(1, max_tokens)]
        text = "".join(pieces)
        settings = self._config.models[model]
        prompt_tokens = sum(self._vectors.count(t) for t in texts)
        completion_tokens = self._vectors.count(text)
        rng = random.Random(f"{self._seed}\0{digest}\0{attempt}")
        return Reply(
            text,
            pieces,
            _delays(settings, len(pieces), rng),
            prompt_tokens,
            completion_tokens,
            cost_micro(settings, prompt_tokens, completion_tokens),
        )

    def _read(self, texts: list[str]) -> str:
        prompt = read_prompt(texts)
        if not prompt.question:
            return NOT_FOUND
        answer = self._reader.answer(prompt.question, prompt.passages)
        return f"{answer.text} [{answer.passage_id}]" if answer.passage_id else NOT_FOUND


def _delays(settings: ModelConfig, count: int, rng: random.Random) -> tuple[float, ...]:
    means = [settings.ttft_ms, *[settings.itl_ms] * (count - 1)]
    return tuple(mean / 1000 * (1 + settings.jitter * rng.uniform(-1, 1)) for mean in means)


def cost_micro(settings: ModelConfig, prompt_tokens: int, completion_tokens: int) -> int:
    """The price of one request, rounded up to whole millionths."""
    total = prompt_tokens * settings.prompt_micro_per_1k + completion_tokens * settings.completion_micro_per_1k
    return -(-total // 1000)


def usage(reply: Reply) -> dict[str, Any]:
    """The ``usage`` object of the OpenAI format."""
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }
