"""The rag lab's checks against services in memory: a right one passes all, each flaw is seen by its own check."""

from __future__ import annotations

import importlib
import json
import random
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from labkit import lab_checks

from grader.probe.response import Response
from grader.result import Measurement, Outcome

ID = re.compile(r"[A-Z]{2}-\d{4}")


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    """The lab's checks, importable as in the probe."""
    with lab_checks("rag-service"):
        yield


class Service:
    """Knows the corpus (it may cheat, it is a test) and can be given flaws by overriding one method."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.docs: dict[str, str] = {}

    async def request(self, method: str, path: str, *, json: Any = None, **_: Any) -> Response:
        if path == "/ingest":
            for doc in json["docs"]:
                self.ingest(doc["id"], doc["text"])
            return reply(method, path, 200, {"ingested": len(json["docs"])})
        if method == "DELETE":
            self.delete(path.rpartition("/")[2])
            return reply(method, path, 204, None)
        if path == "/search":
            return reply(method, path, 200, {"ids": self.search(json["q"])[: json["k"]]})
        status, body = self.ask(json["q"])
        return reply(method, path, status, body)

    def ingest(self, doc_id: str, text: str) -> None:
        self.docs[doc_id] = text

    def delete(self, doc_id: str) -> None:
        self.docs.pop(doc_id, None)

    def search(self, question: str) -> list[str]:
        found = self.world.gold(question)
        return [found] if found in self.docs else []

    def prompt(self, question: str) -> list[str]:
        return self.search(question)

    def ask(self, question: str) -> tuple[int, Any]:
        if not self.world.call(sum(len(self.docs[i].split()) for i in self.prompt(question))):
            return 503, {"error": "gateway"}
        found = self.search(question)
        if not found:
            return 200, {"answer": None, "citations": [], "abstained": True}
        return 200, {"answer": self.span(question, found[0]), "citations": self.cite(found[0]), "abstained": False}

    def span(self, question: str, doc_id: str) -> str:
        unit = next(u for u in ("months", "days", "hours", "dollars", "percent") if u in question)
        match = re.search(rf"\d+ {unit}", self.docs[doc_id])
        assert match is not None
        return match.group()

    def cite(self, doc_id: str) -> list[str]:
        return [doc_id]


def reply(method: str, path: str, status: int, body: Any) -> Response:
    now = time.perf_counter()
    made = Response(method, path, {}, b"", "app", now, now, status=status, done_at=now)
    made.chunks.append((now, json.dumps(body).encode()))
    return made


class World:
    """A context: the service, a gateway that meters words and may refuse calls, and the oracle's stand-in."""

    def __init__(self, service: type[Service], retries: int = 6) -> None:
        self.seed, self.shared, self.retries = "7", {}, retries
        self.rows: list[dict[str, Any]] = []
        self.fault_share = 0.0
        self._faults = random.Random(3)
        self.app = service(self)

    def rng(self, label: str) -> random.Random:
        return random.Random(f"{self.seed}\0{label}")

    def note(self, text: str) -> None:
        pass

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        payload = args["payload"]
        match payload["command"]:
            case "ledger":
                return {"rows": list(self.rows)}
            case "reset":
                self.rows, self.fault_share = [], 0.0
            case "faults":
                self.fault_share = sum(rule["share"] for rule in payload["rules"])
        return {}

    def call(self, tokens: int) -> bool:
        for _ in range(self.retries):
            refused = self._faults.random() < self.fault_share
            self.rows.append({"kind": "chat", "status": 500 if refused else 200, "prompt_tokens": tokens})
            if not refused:
                return True
        return False

    def gold(self, question: str) -> str:
        corpus = self.shared["rag-service"].corpus
        for clause in corpus.in_force():
            wordings = (*clause.matter.plain, *clause.matter.paraphrased)
            if clause.plan in question and question in {w.format(p=clause.plan) for w in wordings}:
                return str(clause.id)
        return ""


async def judge(check: str, service: type[Service], **more: Any) -> Measurement:
    """Run one check ('quality.Recall') against a service, with a stand-in for the oracle's models."""
    module, _, name = check.partition(".")
    world = World(service, **more)
    data = await importlib.import_module("lab_checks.dataset").dataset(world)
    data.oracle = SimpleNamespace(
        lexical=lambda text: [world.gold(text)] if len(text) % 3 else ["none"],
        fused=lambda text: [world.gold(text), *list(data.corpus.clauses)[:19]],
        reader=SimpleNamespace(
            answer=lambda q, passages: SimpleNamespace(text=Service.span(world.app, q, passages[0][0])),
        ),
        embedder=SimpleNamespace(count=lambda text: len(text.split())),
    )
    cls = getattr(importlib.import_module(f"lab_checks.{module}"), name)
    result: Measurement = await cls(cls.params_model()).run(world)
    return result


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
    check = importlib.import_module("lab_checks.economy").Resilience
    await check(check.params_model()).run(world)
    assert world.fault_share == 0


class RefusesDocuments(Service):
    async def request(self, method: str, path: str, **more: Any) -> Response:
        if path == "/ingest":
            return reply(method, path, 500, {"detail": "boom"})
        return await super().request(method, path, **more)


async def test_a_service_that_takes_no_documents_fails_with_the_request_shown() -> None:
    world = World(RefusesDocuments)
    check = importlib.import_module("lab_checks.quality").Recall
    result = await check(check.params_model()).run(world)
    assert result.outcome is Outcome.FAILED
    assert "/ingest" in result.message
    assert result.exchange is not None
    assert result.exchange.status == 500
