"""From a question to an answer with evidence, or to an honest refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.embed import Encoder
from app.model import Model
from app.retrieve import search
from app.store import Clause, Store

CONTEXT = 4
SYSTEM = "Answer from the clauses only: the span, then its [id]. If none answers, say NOT_FOUND."
REPLY = re.compile(r"^\s*(?P<span>.+?)\s*\[(?P<id>[^\[\]]+)\]\s*$", re.DOTALL)
NAME = re.compile(r"\b[A-Z][a-z]+\b")


@dataclass(frozen=True)
class Answer:
    answer: str | None
    citations: list[str]

    @property
    def abstained(self) -> bool:
        return self.answer is None


REFUSAL = Answer(None, [])


def names_in(question: str) -> set[str]:
    """Proper names of a question: capitalised words, except the one that only begins a sentence."""
    inner = re.sub(r"(^|[.:?!]\s+)[A-Z]", lambda match: match.group().lower(), question)
    return set(NAME.findall(inner)) | _first_name(question)


def _first_name(question: str) -> set[str]:
    """A question may begin with a plan's name ("Heron Plus ..."): two capitalised words in a
    row.
    """
    match = re.match(r"([A-Z][a-z]+) [A-Z][a-z]+\b", question)
    return {match.group(1)} if match else set()


def messages(question: str, clauses: list[Clause]) -> list[dict[str, str]]:
    context = "\n".join(f"[{clause.id}] {clause.text}" for clause in clauses)
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{context}\nQuestion: {question}"},
    ]


def checked(question: str, reply: str, clauses: list[Clause]) -> Answer:
    """Believe the model only if the clause it names holds the span and speaks of everyone the
    question names.
    """
    match = REPLY.match(reply)
    if match is None:
        return REFUSAL
    cited = next((clause for clause in clauses if clause.id == match["id"].strip()), None)
    if cited is None or match["span"].lower() not in cited.text.lower():
        return REFUSAL
    if not names_in(question) <= set(NAME.findall(f"{cited.title} {cited.text}")):
        return REFUSAL
    return Answer(match["span"], [cited.id])


def ask(store: Store, encoder: Encoder, model: Model, question: str) -> Answer:
    """Raises ModelUnavailable when the gateway stays away."""
    clauses = store.get(search(store, encoder, question, CONTEXT))
    if not clauses:
        return REFUSAL
    return checked(question, model.complete(messages(question, clauses)), clauses)
