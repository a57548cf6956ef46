"""A rag service in memory, its world, and one check held against it: for tests of the lab's
checks.
"""

from __future__ import annotations

import importlib
import json
import random
import re
import time
from types import SimpleNamespace
from typing import Any

from labkit import check_of, measured

from grader.checks.once import Once
from grader.http.response import Response
from grader.result import Measurement


class Service:
    """Knows the corpus (it may cheat, it is a test) and can be given flaws by overriding one
    method.
    """

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
            return reply(method, path, 200, {"ids": self.search(json["q"])[: json.get("k", 5)]})
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
        return 200, {
            "answer": self.span(question, found[0]),
            "citations": self.cite(found[0]),
            "abstained": False,
        }

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


class World(Once):
    """A context: the service, a gateway that meters words and may refuse calls, and the oracle's
    stand-in.
    """

    def __init__(self, service: type[Service], retries: int = 6) -> None:
        super().__init__()
        self.seed, self.retries = "7", retries
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
            self.rows.append(
                {"kind": "chat", "status": 500 if refused else 200, "prompt_tokens": tokens}
            )
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
    """Run one check ('quality.Recall') against a service, with a stand-in for the oracle's
    models.
    """
    world = World(service, **more)
    data = await importlib.import_module("lab_checks.dataset").dataset(world)
    data.oracle = SimpleNamespace(
        lexical=lambda text: [world.gold(text)] if len(text) % 3 else ["none"],
        fused=lambda text: [world.gold(text), *list(data.corpus.clauses)[:19]],
        reader=SimpleNamespace(
            answer=lambda q, passages: SimpleNamespace(
                text=Service.span(world.app, q, passages[0][0])
            ),
        ),
        embedder=SimpleNamespace(count=lambda text: len(text.split())),
    )
    return await measured(check_of("rag-service", check), world)
