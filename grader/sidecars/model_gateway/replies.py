"""What each kind of model says: a pure function of (seed, model, messages, attempt)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from grader.sidecars.model_gateway.kind import ModelKind
from grader.sidecars.model_gateway.prompt import ChatRequest, read_prompt
from grader.sidecars.model_gateway.reader import NOT_FOUND, Reader
from grader.sidecars.model_gateway.seeded import fraction

STREAM_TOKENS = 120
_PIECE = re.compile(r"\s*\S+")
_WORDS = re.findall(
    r"\w+",
    """account amount answer balance bearer branch budget cache claim client cluster cost counter credit date delay
    deposit device draft entry event field file folder gateway index invoice item key ledger letter limit line link
    load lock message meter model month node note number office order packet page parcel path payment pipe plan point
    policy port price queue rate reader record region report request result route rule sample server session share
    signal source stage state step store stream switch table ticket token total trace unit user value version volume
    window worker zone""",
)


class Tools(Protocol):
    """What models may use: the reader, and the token count of a text."""

    reader: Reader
    seed: str

    def count(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """``pieces`` are what a stream sends one by one; joined they are the text."""

    pieces: tuple[str, ...]
    finish: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)


Model = Callable[[Tools, ChatRequest, str, int], Reply]
"""(tools, request, digest of the messages, attempt) -> reply"""


def read(tools: Tools, request: ChatRequest, _digest: str, _attempt: int) -> Reply:
    """The extractive reader; a second attempt changes nothing."""
    prompt = read_prompt(request.messages, tools.count)
    text = (
        tools.reader.answer(prompt.question, prompt.passages).reply
        if prompt.question
        else NOT_FOUND
    )
    return cut(tuple(_PIECE.findall(text)), request.limit)


def stream(tools: Tools, request: ChatRequest, digest: str, attempt: int) -> Reply:
    """Numbered words (``0:ledger 1:queue ...``), so that a gap or a repetition can be seen;

    ``max_tokens`` of them.
    """
    wanted = request.limit or STREAM_TOKENS
    words = (
        _WORDS[int(fraction(tools.seed, digest, attempt, n) * len(_WORDS))] for n in range(wanted)
    )
    return Reply(tuple(f"{' ' if n else ''}{n}:{word}" for n, word in enumerate(words)), "length")


def cut(pieces: tuple[str, ...], limit: int | None) -> Reply:
    """At most ``limit`` pieces."""
    if limit is not None and len(pieces) > limit:
        return Reply(pieces[:limit], "length")
    return Reply(pieces, "stop")


MODELS: dict[ModelKind, Model] = {"reader": read, "stream": stream}


def completion(
    reply_id: str, model: str, text: str, finish: str, usage: dict[str, int], created: int
) -> dict[str, Any]:
    """The body of a whole answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": finish,
    }
    head = {"id": reply_id, "object": "chat.completion", "created": created, "model": model}
    return {**head, "choices": [choice], "usage": usage}


def chunk(
    reply_id: str, model: str, delta: dict[str, str], finish: str | None, created: int
) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": reply_id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
    }
