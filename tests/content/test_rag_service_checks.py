"""The rag lab's checks against services in memory: a right one passes all, each flaw is seen by its
own check.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from labkit import check_of, lab_checks, measured
from rag_service_kit import Service, World, judge, reply

from grader.http.response import Response
from grader.result import Outcome


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    """The lab's checks, importable as in the probe."""
    with lab_checks("rag-service"):
        yield


CHECKS = [
    "quality.Recall",
    "quality.ExactMatch",
    "quality.Abstain",
    "quality.Citations",
    "economy.PromptTokens",
    "economy.Resilience",
    "changes.Updates",
]


class Blind(Service):
    """Finds nothing for every second clause."""

    def search(self, question: str) -> list[str]:
        return super().search(question) if sum(question.encode()) % 2 else []


class Miscounts(Service):
    def span(self, question: str, doc_id: str) -> str:
        number, _, unit = super().span(question, doc_id).partition(" ")
        return f"{int(number) + 1} {unit}"


class NeverAbstains(Service):
    def ask(self, question: str) -> tuple[int, Any]:
        status, body = super().ask(question)
        return status, {**body, "answer": body.get("answer") or "9 days", "abstained": False}


class AlwaysAbstains(Service):
    def ask(self, question: str) -> tuple[int, Any]:
        return 200, {"answer": None, "citations": [], "abstained": True}


class CitesMuch(Service):
    def cite(self, doc_id: str) -> list[str]:
        return [doc_id, *list(self.docs)[:4]]


class SaysLittle(Service):
    """Answers with a word that stands in most clauses, to make any citation hold it."""

    def span(self, question: str, doc_id: str) -> str:
        return "the"


class Stuffs(Service):
    def prompt(self, question: str) -> list[str]:
        return list(self.docs)[:20]


class AsksNobody(Service):
    """Answers without the gateway: the ledger stays empty."""

    def ask(self, question: str) -> tuple[int, Any]:
        answer = super().ask(question)
        self.world.rows.clear()
        return answer


class KeepsDeleted(Service):
    def delete(self, doc_id: str) -> None:
        pass

    def search(self, question: str) -> list[str]:
        known = self.__dict__.setdefault("known", {})
        known[question] = super().search(question) or known.get(question, [])
        return list(known[question])


class KeepsFirst(Service):
    def ingest(self, doc_id: str, text: str) -> None:
        self.docs.setdefault(doc_id, text)


class AnswerCache(Service):
    """Remembers answers by question."""

    def ask(self, question: str) -> tuple[int, Any]:
        cache = self.__dict__.setdefault("cache", {})
        if question not in cache:
            cache[question] = super().ask(question)
        found: tuple[int, Any] = cache[question]
        return found


class GivesGarbage(Service):
    def ask(self, question: str) -> tuple[int, Any]:
        return 200, [["not", "an", "answer"]]


@pytest.mark.parametrize("check", CHECKS)
async def test_a_right_service_passes(check: str) -> None:
    result = await judge(check, Service)
    assert result.outcome is Outcome.PASSED, result.message


@pytest.mark.parametrize(
    ("check", "service"),
    [
        ("quality.Recall", Blind),
        ("quality.ExactMatch", Blind),
        ("quality.ExactMatch", Miscounts),
        ("quality.Abstain", NeverAbstains),
        ("quality.Abstain", AlwaysAbstains),
        ("quality.Citations", CitesMuch),
        ("quality.Citations", SaysLittle),
        ("quality.Citations", AlwaysAbstains),
        ("economy.PromptTokens", Stuffs),
        ("economy.PromptTokens", AsksNobody),
        ("changes.Updates", KeepsDeleted),
        ("changes.Updates", KeepsFirst),
        ("changes.Updates", AnswerCache),
        ("changes.Updates", AlwaysAbstains),
        ("economy.Resilience", AlwaysAbstains),
        *((check, GivesGarbage) for check in CHECKS if check != "quality.Recall"),
    ],
)
async def test_a_flaw_fails_with_advice_and_an_exchange(check: str, service: type[Service]) -> None:
    result = await judge(check, service)
    assert result.outcome is Outcome.FAILED
    assert result.message
    assert result.advice
    assert result.exchange is not None


async def test_giving_up_at_the_first_fault_fails_and_retrying_passes() -> None:
    assert (await judge("economy.Resilience", Service, retries=1)).outcome is Outcome.FAILED
    assert (await judge("economy.Resilience", Service, retries=6)).outcome is Outcome.PASSED


async def test_faults_end_with_the_criterion() -> None:
    world = World(Service)
    await importlib.import_module("lab_checks.dataset").dataset(world)
    await check_of("rag-service", "economy.Resilience").run(world)
    assert world.fault_share == 0


class RefusesDocuments(Service):
    async def request(self, method: str, path: str, **more: Any) -> Response:
        if path == "/ingest":
            return reply(method, path, 500, {"detail": "boom"})
        return await super().request(method, path, **more)


async def test_a_service_that_takes_no_documents_fails_with_the_request_shown() -> None:
    world = World(RefusesDocuments)
    result = await measured(check_of("rag-service", "quality.Recall"), world)
    assert result.outcome is Outcome.FAILED
    assert "/ingest" in result.message
    assert result.exchange is not None
    assert result.exchange.status == 500
