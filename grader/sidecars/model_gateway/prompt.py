"""Reading the prompt convention out of chat messages. The messages come from learner code: bounded, never trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PASSAGE = re.compile(r"^\[([^\]\n]{1,80})\] (.+)$", re.MULTILINE)
_QUESTION = re.compile(r"^Question: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """``question`` is empty when there is none; ``passages`` are (id, text) in order of appearance."""

    question: str
    passages: tuple[tuple[str, str], ...]


def texts_of(messages: Sequence[object]) -> list[str]:
    """The text of every message. Raises ValueError for what is no chat message."""
    texts = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ValueError("each message needs a role and a text as content")
        texts.append(message["content"])
    return texts


def read_prompt(texts: Sequence[str]) -> Prompt:
    """The question of the last text that has one, and the passages of all."""
    question = ""
    passages: list[tuple[str, str]] = []
    for text in texts:
        found = _QUESTION.findall(text)
        question = found[-1].strip() if found else question
        passages.extend((name, body.strip()) for name, body in _PASSAGE.findall(text))
    return Prompt(question, tuple(passages))
