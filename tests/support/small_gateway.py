"""A small gateway in this process, right in all that the ai-gateway lab asks; each flaw is a
subclass in the tests.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, defaultdict
from typing import Any

from ai_gateway_kit import ADMIN

from grader.http.client import Target
from grader.http.response import Response
from grader.sidecars.asgi import Exchange, Receive, Refused, Scope, Send

PATH = "/v1/chat/completions"
PROVIDER_KEY = {"Authorization": "Bearer provider-key", "Content-Type": "application/json"}


class SmallGateway:
    """An ASGI application.

    Its state is one dictionary: there is one process, so nothing has to be shared.
    """

    timeout_s = 0.5
    tries = 6
    breaks_after = 2
    shut_s = 0.8

    def __init__(self, providers: dict[str, Target]) -> None:
        self.providers = providers
        self.policy: dict[str, dict[str, Any]] = {}
        self.used: Counter[str] = Counter()
        self.buckets: dict[str, tuple[float, float]] = {}
        self.books: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rests: dict[str, float] = {}
        self.failures: Counter[str] = Counter()
        self.shut_until: dict[str, float] = {}
        self.turn = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            raw = await exchange.body()
            await self.route(exchange, raw)
        except Refused as refused:
            await exchange.json(
                refused.status, {"error": {"message": refused.message}}, refused.headers
            )

    async def route(self, exchange: Exchange, raw: bytes) -> None:
        key = exchange.header("authorization").removeprefix("Bearer ")
        match exchange.path:
            case "/admin/policy":
                if key != ADMIN:
                    raise Refused(401, "the admin token")
                self.policy |= {item["key"]: item for item in json.loads(raw)["keys"]}
                await exchange.json(200, {})
            case "/v1/usage":
                names = ("requests", "prompt_tokens", "completion_tokens")
                await exchange.json(200, {name: self.books[key][name] for name in names})
            case _:
                self.look_at(key, raw)
                self.admit(key)
                await self.chat(exchange, key, raw)

    # -- keys

    def look_at(self, key: str, raw: bytes) -> None:
        """Refuse what is malformed, before anything counts."""
        try:
            well_formed = isinstance(json.loads(raw)["messages"], list)
        except (ValueError, KeyError):
            well_formed = False
        if not well_formed:
            raise Refused(400, "malformed")

    def admit(self, key: str) -> None:
        limits = self.policy.get(key)
        if limits is None:
            raise Refused(401, "no such key")
        if limits["quota"] is not None and self.used[self.counter(key)] >= limits["quota"]:
            raise Refused(429, "quota", {"Retry-After": "3600"})
        name, now = self.bucket(key), time.monotonic()
        level, at = self.buckets.get(name, (limits["burst"], now))
        level = min(limits["burst"], level + (now - at) * limits["rate"])
        if level < 1:
            raise Refused(429, "rate", {"Retry-After": "1"})
        self.buckets[name] = (level - 1, now)
        self.used[self.counter(key)] += 1

    def counter(self, key: str) -> str:
        """Where the quota of a key is counted."""
        return key

    def bucket(self, key: str) -> str:
        """Where the bucket of a key is."""
        return key

    def book(self, key: str, request: dict[str, Any], usage: dict[str, int]) -> None:
        self.books[key].update({"requests": 1, **usage})

    # -- providers

    def pick(self, tried: list[str]) -> str | None:
        now = time.monotonic()
        free = [
            name
            for name in self.providers
            if self.rests.get(name, 0) <= now and self.may_try(name, now)
        ]
        fresh = [name for name in free if name not in tried] or free
        if not fresh:
            return None
        chosen = fresh[next(self.turn) % len(fresh)]
        self.shut_until[chosen] = (
            now + self.shut_s
        )  # matters only to one that was given up: others wait for this try
        return chosen

    def may_try(self, name: str, now: float) -> bool:
        """Whether the breaker lets a request through: one at a time after a while."""
        return self.failures[name] < self.breaks_after or self.shut_until.get(name, 0) <= now

    def rest(self, name: str, seconds: float) -> None:
        self.rests[name] = time.monotonic() + seconds

    def may_heal(self, answer: Response) -> bool:
        """Whether another provider may be asked after this answer."""
        return bool(answer.error) or answer.status == 429 or (answer.status or 500) >= 500

    def give_up(self, request: dict[str, Any], answer: Response) -> bytes | None:
        """An answer in place of a provider's, where this gateway has one."""
        return None

    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        request, tried = json.loads(raw), list[str]()
        answer: Response | None = None
        while len(tried) < self.tries:
            name = self.pick(tried)
            if name is None:
                await asyncio.sleep(0.05)
                self.failures.clear()
                continue
            tried.append(name)
            answer = await self.providers[name].request(
                "POST", PATH, body=raw, headers=PROVIDER_KEY, timeout_s=self.timeout_s
            )
            self.learn(name, answer)
            if self.broken_stream(request, answer):
                await self.end_stream(exchange, raw, answer)
                return
            if not self.may_heal(answer):
                break
            if (own := self.give_up(request, answer)) is not None:
                await exchange.whole(200, own)
                return
        await self.hand_on(exchange, key, request, answer)

    def learn(self, name: str, answer: Response) -> None:
        if answer.status == 429:
            self.rest(name, float(answer.headers["retry-after"]))
        elif answer.error.startswith("no complete answer"):
            self.failures[name] = 1000
        elif not answer.error and answer.status != 500:
            self.failures[name] = 0

    async def hand_on(
        self, exchange: Exchange, key: str, request: dict[str, Any], answer: Response | None
    ) -> None:
        if answer is None or answer.status is None or answer.error:
            raise Refused(502, "no provider answered")
        if answer.ok:
            text = answer.events()[-2][1] if request.get("stream") else answer.body
            usage = json.loads(text)["usage"]
            self.book(
                key, request, {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}
            )
        await exchange.whole(
            answer.status, answer.body, {"Content-Type": answer.headers["content-type"]}
        )

    # -- streams

    def broken_stream(self, request: dict[str, Any], answer: Response) -> bool:
        return bool(
            request.get("stream") and answer.status == 200 and answer.error and answer.chunks
        )

    async def end_stream(self, exchange: Exchange, raw: bytes, answer: Response) -> None:
        body = answer.body + b'data: {"error": {"message": "broke off"}}\n\n'
        await exchange.whole(200, body, {"Content-Type": "text/event-stream"})
