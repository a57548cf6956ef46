"""Asking the learner's service and the baseline, and reading what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any

from lab_checks.prompts import PATH

from grader.lab_api import (
    Context,
    PartyFailed,
    Response,
    StreamingParams,
    Target,
    at_pointer,
    read_stream,
)

READ = StreamingParams()
CUT = "\ufffd"
TIE = 0.05  # logits; a right server's sums differ in the last bits, by 0.005 in 120 texts, 4-bit weights by 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    """One chat. ``ttft_s`` is the time to the first text of a stream; ``usage`` and ``finish`` (its
    reason) are what the service claims.
    """

    text: str
    ttft_s: float
    usage: dict[str, Any]
    finish: str
    response: Response
    last: Any = None
    """The event before the end mark of a stream, or the whole body."""

    @property
    def said(self) -> str:
        """What came back, in words."""
        return (
            f"got no complete answer: {self.response.error}"
            if self.response.error
            else f"answered {self.response.status}"
        )

    @property
    def wrong(self) -> str:
        """Why this is no answer; empty when it is one."""
        if self.response.error:
            return self.said
        return "" if self.response.status == 200 else f"{self.said}, expected 200"


def odd_place(mine: str, right: Answer) -> int | None:
    """Where a text parts from the baseline's (characters);

    None: nowhere, or where its two best tokens nearly tied.

    A last character of which not all tokens were made may be left out, or be a replacement
    character.
    """
    texts = [text.rstrip(CUT) for text in (mine, right.text)]
    if texts[0] == texts[1]:
        return None
    steps = right.usage.get("steps") or [(0, TIE)]
    parted = len(commonprefix(texts))  # noqa: RUF071 (letters are meant)
    lead: float = next((lead for end, lead in steps if end > parted), steps[-1][1])
    return None if lead < TIE else parted


def agrees(mine: Answer, right: Answer) -> bool:
    """The same text as the baseline's, or another one from a step on at which its two best tokens
    nearly tied.
    """
    return odd_place(mine.text, right) is None


def baseline(ctx: Context) -> Target:
    assert ctx.spec.baseline is not None
    return ctx.target(ctx.spec.baseline.name)


def first_s(answer: Answer) -> float:
    """Seconds to the first text, or to the end of an answer without any."""
    return min(answer.ttft_s, answer.response.total_s)


async def ask(target: Target, body: dict[str, Any], timeout_s: float = 60.0) -> Answer:
    """One chat, streamed or not. Never raises for what the other side does."""
    return read(await target.request("POST", PATH, json=body, timeout_s=timeout_s), body["stream"])


def read(response: Response, streamed: bool) -> Answer:
    """An answer as JSON or as events."""
    if not streamed:
        documents, text, ttft_s = [response.json()], "", response.total_s
        if isinstance(said := at_pointer(documents[0], "/choices/0/message/content"), str):
            text = said
    else:
        stream = read_stream(response, READ)
        documents = [_parsed(data) for _, data in response.events() if data != READ.end]
        text, ttft_s = stream.text, stream.arrivals[0] if stream.arrivals else float("inf")
    usage = _last(documents, "/usage", dict) or {}
    finish = _last(documents, "/choices/0/finish_reason", str) or ""
    return Answer(text, ttft_s, usage, finish, response, documents[-1] if documents else None)


def _parsed(data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _last(documents: Sequence[Any], pointer: str, kind: type) -> Any:
    """The last value of this kind at a pointer, or None."""
    found = (
        value for d in reversed(documents) if isinstance(value := at_pointer(d, pointer), kind)
    )
    return next(found, None)


async def ask_all(target: Target, bodies: Sequence[dict[str, Any]], at_once: int) -> list[Answer]:
    """All of them, ``at_once`` at a time, in order."""
    gate = asyncio.Semaphore(at_once)

    async def one(body: dict[str, Any]) -> Answer:
        async with gate:
            return await ask(target, body)

    return list(await asyncio.gather(*(one(b) for b in bodies)))


async def trusted(ctx: Context, bodies: Sequence[dict[str, Any]], at_once: int = 2) -> list[Answer]:
    """The baseline's answers. Raises PartyFailed when it gives none."""
    answers = await ask_all(baseline(ctx), bodies, at_once)
    for answer in answers:
        if answer.wrong or not answer.usage:
            raise PartyFailed(f"the baseline failed: {answer.wrong or 'no usage'}")
    return answers
