"""The ai-observability lab without an engine: the real model gateway and trace store, a small
assistant in this process, and a stand-in for Prometheus that knows the few queries which the lab's
checks make.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

from gateway_kit import WordEmbedder, serving

from grader.checks.once import Once
from grader.http.client import Target
from grader.lab import Service
from grader.sidecars.asgi import Exchange, Receive, Scope, Send
from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.control import obey
from grader.sidecars.model_gateway.kind import GatewayConfig
from grader.sidecars.otlp.app import Receiver
from grader.sidecars.otlp.decode import Span
from grader.sidecars.otlp.store import Store

SCRAPE_S = 0.06
WINDOW = 6
MODELS = {"assistant": {"kind": "stream", "ttft_ms": 42, "itl_ms": 0.5, "jitter": 0}}
BOUNDS = (
    0.02,
    0.028,
    0.04,
    0.056,
    0.08,
    0.11,
    0.16,
    0.22,
    0.32,
    0.45,
    0.64,
    0.9,
    1.3,
    1.8,
    2.5,
    float("inf"),
)
Counts = Counter[tuple[str, str]]
"""(metric, label value) -> count"""


SLOW_S = 0.4


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


class SmallAssistant:
    """An ASGI application with both hops in one: right in all that the lab asks.

    Flaws are subclasses.
    """

    scrapable = True
    traces_failures = True

    def __init__(self, model: Target, store: Store) -> None:
        self.model, self.store = model, store
        self.counts: Counts = Counter()
        self.users: set[str] = set()
        self.log: list[str] = []
        self._spans = 0
        for outcome in ("answered", "abstained", "error"):
            self.counts[REQUESTS, outcome] = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        if exchange.path == "/metrics":
            await exchange.whole(200, self.metrics().encode())
            return
        if exchange.path == "/rules.yml":
            await exchange.whole(200, self.rules().encode())
            return
        began, body = time.time(), json.loads(await exchange.body())
        if not isinstance(body.get("user"), str):
            self.refuse()
            await exchange.json(422, {"error": "user"})
            return
        _, trace, parent, _ = exchange.header("traceparent").split("-")
        spans = self.ids()
        answer = await self.model.request(
            "POST",
            "/v1/chat/completions",
            json={
                "model": "assistant",
                "messages": [{"role": "user", "content": body["question"]}],
                "max_tokens": 4,
            },
            headers={"traceparent": f"00-{trace}-{spans[-1]}-01"},
        )
        self.asked(body["question"])
        if answer.ok or self.traces_failures:
            self.trace(trace, parent, spans, began)
        if answer.ok:
            text, usage = answer.json()["choices"][0]["message"]["content"], answer.json()["usage"]
            outcome = "abstained" if text == "NOT_FOUND" else "answered"
            last = {"done": True, "abstained": outcome == "abstained", "usage": usage}
            await exchange.start(200, {"Content-Type": "text/event-stream"})
            await exchange.piece(event({"token": text}))
            if time.time() - began > SLOW_S and await self.left(exchange):
                return self.user_left(body["user"], body["question"], trace)
            self.measure(body["user"], outcome, time.time() - began, usage)
            await exchange.piece(event(last), more=False)
        else:
            outcome = "error"
            self.measure(body["user"], outcome, 0, {})
            await exchange.json(502, {"error": "model"})
        self.log.append(self.line(trace, outcome, body["question"]))

    @staticmethod
    async def left(exchange: Exchange) -> bool:
        """Whether the user goes away while the rest of a slow answer is made."""
        try:
            async with asyncio.timeout(SLOW_S / 4):
                await exchange.gone()
        except TimeoutError:
            return False
        return True

    # -- what it says about itself

    def user_left(self, user: str, question: str, trace: str) -> None:
        self.measure(user, "error", 0, {})
        self.log.append(self.line(trace, "error", question))

    def asked(self, question: str) -> None:
        """Of a question nothing is said."""

    def metrics(self) -> str:
        return ""

    def refuse(self) -> None:
        """A request that is malformed is not counted."""

    def rules(self) -> str:
        return json.dumps(["errors", "latency", "quality", "cost"])

    def ids(self) -> tuple[str, str]:
        self._spans += 2
        return f"{self._spans:016x}", f"{self._spans + 1:016x}"

    def trace(self, trace: str, parent: str, spans: tuple[str, str], began: float) -> None:
        api, generate = spans
        now = time.time()
        self.store.add([Span(trace, api, parent, "api", "a", began, now)])
        self.store.add([Span(trace, generate, api, "generate", "g", began, now)])

    def measure(self, user: str, outcome: str, ttft_s: float, usage: dict[str, int]) -> None:
        self.counts[REQUESTS, outcome] += 1
        for kind in ("prompt", "completion") if usage else ():
            self.counts[TOKENS, kind] += usage[f"{kind}_tokens"]
        if usage:
            for bound in BOUNDS:
                self.counts[BUCKETS, f"{bound:g}"] += ttft_s <= bound

    def line(self, trace: str, outcome: str, question: str) -> str:
        return json.dumps({"trace_id": trace, "outcome": outcome})

    def series(self) -> int:
        return len(self.counts)

    def alerts(self, grown: Counts) -> set[str]:
        """The incidents whose alerts fire, by what grew within the window."""
        requests = {
            outcome: grown[REQUESTS, outcome] for outcome in ("answered", "abstained", "error")
        }
        total, tokens = (
            sum(requests.values()),
            grown[TOKENS, "prompt"] + grown[TOKENS, "completion"],
        )
        whole = total - requests["error"]
        slow = grown[BUCKETS, "inf"] - grown[BUCKETS, "0.16"]
        found = {
            "errors": requests["error"] > 0.2 * total,
            "latency": slow > 0.1 * grown[BUCKETS, "inf"],
            "quality": requests["abstained"] > 0.2 * total,
            "cost": tokens > 50 * whole,
        }
        return {incident for incident, wrong in found.items() if wrong and total >= 8}


REQUESTS, TOKENS, BUCKETS = (
    "assistant_requests_total",
    "assistant_tokens_total",
    "assistant_ttft_seconds_bucket",
)


class StandIn:
    """Scrapes ten times a second and answers the lab's queries."""

    def __init__(self, app: SmallAssistant) -> None:
        self.app = app
        self.scrapes: list[tuple[float, Counts, int]] = []
        self.fired: list[tuple[float, str]] = []
        self.rules: list[str] = []

    async def run(self) -> None:
        while True:
            self.scrapes.append((time.time(), self.app.counts.copy(), self.app.series()))
            self.fired += [(time.time(), incident) for incident in self.now()]
            await asyncio.sleep(SCRAPE_S)

    def now(self) -> set[str]:
        if len(self.scrapes) < 2:
            return set()
        grown = self.scrapes[-1][1].copy()
        grown.subtract(self.scrapes[-min(WINDOW, len(self.scrapes))][1])
        return self.app.alerts(grown) & set(self.rules)

    def obey(self, payload: dict[str, Any]) -> dict[str, Any]:
        match payload["command"]:
            case "rules":
                self.rules = json.loads(payload["text"])
                return {"problem": "", "rules": [self._rule(name) for name in self.rules]}
            case "alerts":
                firing = self.now()
                states = {name: "firing" if name in firing else "inactive" for name in self.rules}
                return {
                    "rules": [
                        {**self._rule(n), "state": s, "problem": ""} for n, s in states.items()
                    ]
                }
            case "range":
                times: dict[str, list[list[Any]]] = {}
                for at, name in self.fired:
                    if payload["start"] <= at <= payload["end"]:
                        times.setdefault(name, []).append([at, "1"])
                return {
                    "series": [
                        {"labels": {"alertname": n, "incident": n}, "points": p}
                        for n, p in times.items()
                    ]
                }
        return {"samples": self._query(payload["expr"])}

    def _rule(self, name: str) -> dict[str, Any]:
        return {"alert": name, "labels": {"incident": name}}

    def _query(self, expr: str) -> list[dict[str, Any]]:
        if counted := re.fullmatch(r'(count|sum)_over_time\(up\{job="app"\}\[(\d+)ms\]\)', expr):
            since = time.time() - int(counted[2]) / 1000
            came = sum(at >= since for at, _, _ in self.scrapes)
            return [self._sample({}, came if self.app.scrapable or counted[1] == "count" else 0)]
        if "scrape_samples_post_metric_relabeling" in expr:
            return [self._sample({}, self.scrapes[-1][2])]
        if expr.startswith("topk(1, count by (__name__)"):
            return [self._sample({"__name__": "assistant_requests_total"}, self.scrapes[-1][2])]
        by = re.fullmatch(r"sum by \((\w+)\) \(last_over_time\((\w+)\[30s\]\)\)", expr)
        assert by, f"the stand-in does not know {expr}"
        counts = self.scrapes[-1][1]
        return [
            self._sample({by[1]: label}, n)
            for (metric, label), n in counts.items()
            if metric == by[2]
        ]

    def _sample(self, labels: dict[str, str], value: float) -> dict[str, Any]:
        return {"labels": labels, "value": str(value), "at": time.time()}


class World(Once):
    """A context."""

    def __init__(self, gateway: Gateway, store: Store, watch: StandIn, app: Target) -> None:
        self.seed, self.app, self.replicas = "s", app, ("app",)
        super().__init__()
        self.spec = SimpleNamespace(service=Service(), baseline=None)
        self._gateway, self._store, self.watch = gateway, store, watch

    def rng(self, label: str) -> random.Random:
        return random.Random(f"{self.seed}\0{label}")

    def note(self, text: str) -> None:
        pass

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        if action == "logs":
            return {"text": "\n".join(self.watch.app.log)}
        match party:
            case "models":
                return obey(self._gateway, args["payload"])
            case "sink":
                return Receiver(self._store).obey(args["payload"])
        return self.watch.obey(args["payload"])


@asynccontextmanager
async def world(kind: type[SmallAssistant] = SmallAssistant) -> AsyncIterator[World]:
    """Everything running: the model, the assistant, and scrapes of it."""
    config = GatewayConfig.model_validate({"models": MODELS, "embeddings": False})
    gateway, store = Gateway("s", config, WordEmbedder()), Store(20_000)
    async with serving(gateway) as model:
        app = kind(model, store)
        async with serving(app) as target:
            watch = StandIn(app)
            scraping = asyncio.create_task(watch.run())
            try:
                yield World(gateway, store, watch, target)
            finally:
                scraping.cancel()
                with suppress(asyncio.CancelledError):
                    await scraping
