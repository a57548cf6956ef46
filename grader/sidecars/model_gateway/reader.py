"""The extractive reader: sees a question and passages, nothing else, and answers with a span or
NOT_FOUND.

A sentence scores its MiniLM cosine with the question plus 0.3 x the share of the question's proper
names in it. The span of the asked type is taken from the best sentence that has one. Look-alike
passages can mislead it, by design.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grader.sidecars.model_gateway.spans import names_of, sentences, spans

NOT_FOUND = "NOT_FOUND"
NAME_WEIGHT = 0.3
MARGIN = 0.35
"""A sentence whose cosine is less is about something else (unrelated ones reach 0.1, paraphrases
0.45 and more).
"""
NAMES_NEEDED = 0.6
"""Share of the question's names below which a sentence speaks of something else."""
CACHED = 8192


class Embeds(Protocol):
    """What the reader needs of an Embedder."""

    def embed(self, texts: Sequence[str]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is a span of the passage ``passage_id``, or NOT_FOUND with an empty id.

    ``score``: 0 to 1.3.
    """

    text: str
    passage_id: str
    score: float

    @property
    def reply(self) -> str:
        """The reply as the gateway words it: ``42 days [c17]``."""
        return f"{self.text} [{self.passage_id}]" if self.passage_id else self.text


class Reader:
    """Safe to use from several threads.

    Keeps the vectors of the last 8,192 sentences (about 13 MB).
    """

    def __init__(self, embedder: Embeds) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, question: str, passages: Sequence[tuple[str, str]]) -> Answer:
        """``passages`` are (id, text).

        The same input always gives the same answer; ties go to the first passage.
        """
        names = names_of(question)
        best = Answer(NOT_FOUND, "", 0.0)
        asked: Any = None
        for passage_id, text in passages:
            for sentence in sentences(text):
                share = _share(names, sentence)
                if share < NAMES_NEEDED or not (found := spans(question, sentence)):
                    continue
                if asked is None:
                    asked = self._vector(question)
                cosine = float(self._vector(sentence) @ asked)
                score = cosine + NAME_WEIGHT * share
                if cosine >= MARGIN and score > best.score:
                    best = Answer(found[0], passage_id, score)
        return best

    def _vector(self, sentence: str) -> Any:
        with self._lock:
            if (known := self._vectors.get(sentence)) is not None:
                self._vectors.move_to_end(sentence)
                return known
        made = self._embedder.embed([sentence])[0]
        with self._lock:
            self._vectors[sentence] = made
            if len(self._vectors) > CACHED:
                self._vectors.popitem(last=False)
        return made


def _share(names: set[str], sentence: str) -> float:
    """The share of the names that the sentence holds; 1 when there are none to hold."""
    if not names:
        return 1.0
    held = {word.lower() for word in re.findall(r"\w+", sentence)}
    return sum(name.lower() in held for name in names) / len(names)
