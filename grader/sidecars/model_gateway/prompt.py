"""Reading a chat request: messages, the question, and the context passages within the window."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

WINDOW = 2048
_PASSAGE = re.compile(r"\[(?P<id>[^\[\]\s][^\[\]]{0,99})\]\s+(?P<text>\S.*)")
_QUESTION = re.compile(r"\s*question:\s*(?P<text>\S.*)", re.IGNORECASE)


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(max_length=64)]

    @property
    def text(self) -> str:
        return (
            self.content
            if isinstance(self.content, str)
            else "".join(part.text for part in self.content)
        )


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions; what we don't know is ignored, as other servers do."""

    model: str = Field(max_length=100)
    messages: list[Message] = Field(min_length=1, max_length=256)
    max_tokens: int | None = Field(None, ge=1, le=4096)
    max_completion_tokens: int | None = Field(None, ge=1, le=4096)
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class EmbeddingRequest(BaseModel):
    """The body of POST /v1/embeddings."""

    model: str = Field("minilm", max_length=100)
    input: str | Annotated[list[str], Field(min_length=1, max_length=256)]
    encoding_format: Literal["float"] = "float"

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the reader sees. ``question`` is empty when no user message asks anything."""

    question: str
    passages: tuple[tuple[str, str], ...]


def read_prompt(
    messages: Sequence[Message], count: Callable[[str], int], window: int = WINDOW
) -> Prompt:
    """Question and passages of a conversation. ``count`` gives the tokens of a text.

    The question is kept; passages count against the rest of the window in the order of the
    messages, and from the first that does not fit on they are dropped.
    """
    question = _question(messages)
    left = window - count(question)
    kept = []
    for passage_id, text in _passages(messages):
        left -= count(f"[{passage_id}] {text}")
        if left < 0:
            break
        kept.append((passage_id, text))
    return Prompt(question, tuple(kept))


def _question(messages: Sequence[Message]) -> str:
    """The last ``Question:`` line of the last user message; without one, its last line that is no
    passage.
    """
    text = next((m.text for m in reversed(messages) if m.role == "user"), "")
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if match := _QUESTION.fullmatch(line.rstrip()):
            return match["text"]
    return next((line.strip() for line in reversed(lines) if not _PASSAGE.match(line)), "")


def _passages(messages: Sequence[Message]) -> list[tuple[str, str]]:
    found: list[tuple[str, list[str]]] = []
    for message in messages:
        inside = False
        for line in message.text.splitlines():
            if match := _PASSAGE.fullmatch(line.rstrip()):
                found.append((match["id"].strip(), [match["text"]]))
                inside = True
            elif not line.strip() or _QUESTION.match(line):
                inside = False
            elif inside:
                found[-1][1].append(line.strip())
    return [(passage_id, "\n".join(lines)) for passage_id, lines in found]
