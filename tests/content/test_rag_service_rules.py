"""Repeals, replaced documents and the depth of a search: each flaw of these is seen, a right
service passes.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from labkit import lab_checks
from rag_service_kit import Service, judge

from grader.result import Outcome

CHECKS = ["repeals.InForce", "moves.Moved", "depth.Depth"]


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    """The lab's checks, importable as in the probe."""
    with lab_checks("rag-service"):
        yield


class Knows(Service):
    """A right service; what it adds to a search is the flaw."""

    def search(self, question: str) -> list[str]:
        return [*super().search(question), *self.added(question)]

    def added(self, question: str) -> list[str]:
        return []

    def repealed_for(self, question: str) -> list[tuple[str, str]]:
        """(old, new) of the repealed clauses that once answered this question."""
        corpus = self.world.shared["rag-service"].corpus
        old = [(corpus.clauses[o], n) for o, n in corpus.repealed.items() if o in corpus.clauses]
        return [
            (c.id, n) for c, n in old if question in {w.format(p=c.plan) for w in c.matter.plain}
        ]


class RepealsOnArrival(Knows):
    """Forgets a repeal when the repealing clause came first."""

    def added(self, question: str) -> list[str]:
        order = list(self.docs)
        arrived = [pair for pair in self.repealed_for(question) if set(pair) <= set(order)]
        return [old for old, new in arrived if order.index(new) < order.index(old)]


class Revives(Knows):
    """A repealed clause that arrives again is in force again."""

    def ingest(self, doc_id: str, text: str) -> None:
        self.__dict__.setdefault("times", Counter())[doc_id] += 1
        super().ingest(doc_id, text)

    def added(self, question: str) -> list[str]:
        return [old for old, _ in self.repealed_for(question) if self.times[old] > 1]


class ChainRevives(Knows):
    """A clause out of force repeals nothing any more."""

    def added(self, question: str) -> list[str]:
        repealed = self.world.shared["rag-service"].corpus.repealed
        return [old for old, new in self.repealed_for(question) if new in repealed]


class CitesRepealed(Knows):
    """Finds what is in force and cites what is not."""

    def ask(self, question: str) -> tuple[int, Any]:
        status, body = super().ask(question)
        return status, {
            **body,
            "citations": [*body["citations"], *(old for old, _ in self.repealed_for(question))],
        }


class LosesMentioned(Knows):
    """Drops every clause that some other one names."""

    def search(self, question: str) -> list[str]:
        named = {i for text in self.docs.values() for i in self.docs if i in text}
        return [i for i in super().search(question) if i not in named]


class LosesRepealing(Knows):
    """Finds neither the old clause nor the new one."""

    def search(self, question: str) -> list[str]:
        return [] if self.repealed_for(question) else super().search(question)


class KeepsOldWords(Knows):
    """Finds a document by what it said when the first search came."""

    def search(self, question: str) -> list[str]:
        if "first" not in self.__dict__:
            live = self.world.shared["rag-service"].corpus.in_force()
            self.first = {w.format(p=c.plan): c.id for c in live for w in c.matter.plain}
        return [
            *super().search(question),
            *([self.first[question]] if question in self.first else []),
        ]


class KeepsOldOnly(Knows):
    """New words never find a document that was replaced."""

    def search(self, question: str) -> list[str]:
        changed = self.world.shared["rag-service"].changed
        return [i for i in super().search(question) if i not in changed]


class IgnoresK(Service):
    async def request(self, method: str, path: str, *, json: Any = None, **more: Any) -> Any:
        sent = {**json, "k": 50} if path == "/search" else json
        return await super().request(method, path, json=sent, **more)

    def search(self, question: str) -> list[str]:
        return list(self.docs)[:50]


class Repeats(Service):
    def search(self, question: str) -> list[str]:
        return [*super().search(question)] * 2


@pytest.mark.parametrize("check", CHECKS)
async def test_a_right_service_passes(check: str) -> None:
    result = await judge(check, Knows)
    assert result.outcome is Outcome.PASSED, result.message


@pytest.mark.parametrize(
    ("check", "service"),
    [
        ("repeals.InForce", RepealsOnArrival),
        ("repeals.InForce", Revives),
        ("repeals.InForce", ChainRevives),
        ("repeals.InForce", CitesRepealed),
        ("repeals.InForce", LosesMentioned),
        ("repeals.InForce", LosesRepealing),
        ("moves.Moved", KeepsOldWords),
        ("moves.Moved", KeepsOldOnly),
        ("depth.Depth", IgnoresK),
        ("depth.Depth", Repeats),
    ],
)
async def test_a_flaw_fails_with_advice_and_an_exchange(check: str, service: type[Service]) -> None:
    result = await judge(check, service)
    assert result.outcome is Outcome.FAILED
    assert result.advice
    assert result.exchange is not None


async def test_the_end_of_a_chain_is_what_holds() -> None:
    successor = importlib.import_module("lab_checks.repeals").successor
    corpus = type("Corpus", (), {"repealed": {"A": "B", "B": "C", "X": "X"}})()
    assert [successor(corpus, i) for i in "ABCX"] == ["C", "C", "C", "X"]
