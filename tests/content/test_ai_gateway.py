"""The ai-gateway lab without an engine: a right gateway passes every check, and each flaw fails the
check it is for.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ai_gateway_kit import World, providers
from gateway_kit import arriving, serving
from labkit import check_of, lab_checks, measured
from small_gateway import PATH, PROVIDER_KEY, SmallGateway

from grader.http.response import Response
from grader.probe.runner import REPEATS
from grader.result import Measurement, Outcome
from grader.sidecars.asgi import Exchange, Refused

SHORT: dict[str, dict[str, Any]] = {
    "HungProvider": {
        "healthy_s": 1.0,
        "warm_s": 1.2,
        "open_s": 1.5,
        "timeout_s": 1.2,
        "well_s": 1.5,
        "again_s": 1.0,
    },
    "OneAtATime": {"requests": 3, "factor": 10},
    "RateLimit": {"seconds": 1.2},
    "Quota": {"rate": 80.0, "limit": 30.0, "first_s": 0.4},
    "NothingReplayed": {"streams": 2},
    "ClientErrors": {"requests": 2, "rounds": 2, "at_once": 6, "good": 4},
}


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    with lab_checks("ai-gateway"):
        phases: Any = importlib.import_module("lab_checks.phases")
        phases.RATE, phases.FLAKY_S, phases.STORM_S = 40.0, 2.0, 2.0
        phases.RETRY_AFTER_S, phases.NEWS_S = 1.0, 0.2
        yield


def judge(service: type[SmallGateway], *names: str, seed: str = "7") -> dict[str, Measurement]:
    """The measurements of these checks ('limits.Quota'), in order, of one service."""

    async def run() -> dict[str, Measurement]:
        async with providers(seed) as listening:
            gateways = {name: gateway for name, (gateway, _) in listening.items()}
            targets = {name: target for name, (_, target) in listening.items()}
            async with serving(cast(Any, service(targets))) as app:
                world: Any = World(seed, gateways, app)
                found = {}
                for name in names:
                    cls = name.partition(".")[2]
                    check = check_of("ai-gateway", name, **SHORT.get(cls, {}))
                    found[cls] = await decided(check, world)
                return found

    return asyncio.run(run())


async def decided(check: Any, world: Any) -> Measurement:
    """What the check says, undecided ones measured again as the probe's runner does."""
    for _ in range(REPEATS):
        measurement = await measured(check, world)
        if measurement.outcome is not Outcome.INCONCLUSIVE:
            return measurement
    return await measured(check, world)


TROUBLE = ("providers.Success", "providers.UpstreamCalls", "hedging.OneAtATime")
CALM = (
    "faithful.AsCame",
    "providers.ClientErrors",
    "streams.NothingReplayed",
    "limits.Usage",
    "limits.RateLimit",
    "limits.Quota",
)
ALL = (*TROUBLE, *CALM, "providers.HungProvider")


def failing(found: dict[str, Measurement]) -> set[str]:
    assert all(m.advice for m in found.values() if m.outcome is Outcome.FAILED), (
        "a failure says what to do next"
    )
    return {name for name, m in found.items() if m.outcome is Outcome.FAILED}


def test_a_right_gateway_passes_everything() -> None:
    found = judge(SmallGateway, *ALL)
    assert {name: m.message for name, m in found.items() if m.outcome is not Outcome.PASSED} == {}


class Deaf(SmallGateway):
    """Does not hear Retry-After."""

    def rest(self, name: str, seconds: float) -> None:
        pass

    def pick(self, tried: list[str]) -> str | None:
        return tried[-1] if tried and len(tried) < 3 else super().pick(tried)


class Hedges(SmallGateway):
    """Asks a second provider for the same answer while the first works on it."""

    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        other = self.providers["west" if next(self.turn) % 2 else "south"]
        second = asyncio.ensure_future(
            other.request("POST", PATH, body=raw, headers=PROVIDER_KEY, timeout_s=5)
        )
        await super().chat(exchange, key, raw)
        await second


class MadeUp(SmallGateway):
    def give_up(self, request: dict[str, Any], answer: Response) -> bytes | None:
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        return json.dumps(
            {"choices": [{"message": {"content": "0:sorry"}}], "usage": usage}
        ).encode()


def test_two_calls_for_one_request_are_seen_when_both_are_under_way() -> None:
    assert failing(judge(Hedges, "hedging.OneAtATime")) == {"OneAtATime"}
    assert failing(judge(SmallGateway, "hedging.OneAtATime")) == set()


def test_a_call_that_was_given_up_and_another_one_after_it_are_no_hedge() -> None:
    row = importlib.import_module("lab_checks.world").Row
    overlapping = importlib.import_module("lab_checks.hedging").overlapping

    def calls(*times: tuple[float, float]) -> list[Any]:
        return [row("north", begin, end, 200, "", 1, 1, "same") for begin, end in times]

    assert overlapping(calls((0, 1.2), (1.2, 1.4), (1.45, 2))) == 0
    assert overlapping(calls((0, 1.25), (1.2, 1.4))) == 0
    assert overlapping(calls((0, 0.5), (0.3, 0.8))) == 1


@pytest.mark.parametrize(("service", "fails"), [(Deaf, {"UpstreamCalls"}), (MadeUp, {"Success"})])
def test_flaws_under_trouble(service: type[SmallGateway], fails: set[str]) -> None:
    assert failing(judge(service, *TROUBLE)) == fails


class Patient(SmallGateway):
    timeout_s = 60.0


def test_a_gateway_that_waits_for_ever_fails_on_the_hung_provider() -> None:
    found = judge(Patient, "providers.HungProvider")["HungProvider"]
    assert found.outcome is Outcome.FAILED
    assert "no answer" in found.message


class GivesUpForGood(SmallGateway):
    """A provider that hung once is never asked again."""

    def may_try(self, name: str, now: float) -> bool:
        return self.failures[name] < self.breaks_after


class UnguardedStreams(SmallGateway):
    """Only answers in one piece have a breaker."""

    streaming = False

    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        self.streaming = bool(json.loads(raw).get("stream"))
        await super().chat(exchange, key, raw)

    def may_try(self, name: str, now: float) -> bool:
        return self.streaming or super().may_try(name, now)


@pytest.mark.parametrize("service", [GivesUpForGood, UnguardedStreams])
def test_breakers_close_again_and_hold_for_streams_too(service: type[SmallGateway]) -> None:
    assert failing(judge(service, "providers.HungProvider")) == {"HungProvider"}


class DropsFields(SmallGateway):
    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        body = json.loads(raw)
        kept = {
            name: body[name]
            for name in ("model", "messages", "max_tokens", "stream")
            if name in body
        }
        await super().chat(exchange, key, json.dumps(kept).encode())


class Strips(SmallGateway):
    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        body = json.loads(raw)
        for message in body["messages"]:
            message["content"] = (
                message["content"].strip()
                if isinstance(message["content"], str)
                else message["content"]
            )
        await super().chat(exchange, key, json.dumps(body).encode())


class ComesBackAtOnce(SmallGateway):
    def admit(self, key: str) -> None:
        try:
            super().admit(key)
        except Refused as refused:
            refused.headers.update({"Retry-After": "0"})
            raise


class SaysNothingOfTheQuota(SmallGateway):
    """Right: there is nothing to wait for once the quota is used up."""

    def admit(self, key: str) -> None:
        try:
            super().admit(key)
        except Refused as refused:
            if refused.message == "quota":
                refused.headers.clear()
            raise


class BlamesProviders(SmallGateway):
    """A client's mistakes shut providers out."""

    def learn(self, name: str, answer: Response) -> None:
        super().learn(name, answer)
        if answer.status is not None and 400 <= answer.status < 500 and answer.status != 429:
            self.mistakes[name] += 1

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.mistakes: Counter[str] = Counter()

    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        if all(self.mistakes[name] > 2 for name in self.providers):
            raise Refused(503, "no provider may be asked")
        await super().chat(exchange, key, raw)


def test_mistakes_of_clients_that_shut_providers_out_are_seen() -> None:
    assert failing(judge(BlamesProviders, "providers.ClientErrors")) == {"ClientErrors"}


class Stubborn(SmallGateway):
    """Takes a refusal for a fault."""

    def may_heal(self, answer: Response) -> bool:
        return not answer.ok


class Replaying(SmallGateway):
    """Sends what another provider says after what the first one said."""

    async def end_stream(self, exchange: Exchange, raw: bytes, answer: Response) -> None:
        again = await self.providers["west"].request(
            "POST", PATH, body=raw, headers=PROVIDER_KEY, timeout_s=5
        )
        await exchange.whole(200, answer.body + again.body, {"Content-Type": "text/event-stream"})


class Guessing(SmallGateway):
    """Books words."""

    def book(self, key: str, request: dict[str, Any], usage: dict[str, int]) -> None:
        words = sum(len(str(m["content"]).split()) for m in request["messages"])
        super().book(key, request, {**usage, "prompt_tokens": words})


class TwoCopies(SmallGateway):
    """Which copy a request reaches takes turns."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.copy = itertools.count()


class OwnQuota(TwoCopies):
    def admit(self, key: str) -> None:
        next(self.copy)
        super().admit(key)

    def counter(self, key: str) -> str:
        number = int(repr(self.copy)[6:-1]) % 2
        return f"{key} {number}"


class OwnBucket(TwoCopies):
    def bucket(self, key: str) -> str:
        return f"{key} {next(self.copy) % 2}"


class CountsTooFast(SmallGateway):
    def admit(self, key: str) -> None:
        try:
            super().admit(key)
        except Refused as refused:
            self.used[self.counter(key)] += refused.message == "rate"
            raise


class CountsMalformed(SmallGateway):
    def look_at(self, key: str, raw: bytes) -> None:
        try:
            super().look_at(key, raw)
        except Refused:
            self.used[self.counter(key)] += 1
            raise


class BooksBroken(SmallGateway):
    async def end_stream(self, exchange: Exchange, raw: bytes, answer: Response) -> None:
        key = exchange.header("authorization").removeprefix("Bearer ")
        self.book(key, json.loads(raw), {})
        await super().end_stream(exchange, raw, answer)


class NeverLowers(SmallGateway):
    """A key is installed once and for all."""

    async def route(self, exchange: Exchange, raw: bytes) -> None:
        known = dict(self.policy)
        await super().route(exchange, raw)
        self.policy |= known


@pytest.mark.parametrize(
    ("service", "fails"),
    [
        (SaysNothingOfTheQuota, set()),
        (DropsFields, {"AsCame"}),
        (Strips, {"AsCame"}),
        (ComesBackAtOnce, {"RateLimit"}),
        (CountsTooFast, {"Quota"}),
        (CountsMalformed, {"Quota"}),
        (NeverLowers, {"Quota"}),
        (BooksBroken, {"Usage"}),
        (Stubborn, {"ClientErrors"}),
        (Replaying, {"NothingReplayed"}),
        (Guessing, {"Usage"}),
        (OwnQuota, {"Quota"}),
        (OwnBucket, {"RateLimit"}),
    ],
)
def test_flaws_that_need_no_trouble(service: type[SmallGateway], fails: set[str]) -> None:
    assert failing(judge(service, *CALM)) == fails


EVENTS = {"Content-Type": "text/event-stream"}


class PassesOn(SmallGateway):
    """Streams of healthy providers go on piece by piece, as they come."""

    async def chat(self, exchange: Exchange, key: str, raw: bytes) -> None:
        await exchange.start(200, EVENTS)
        await self.send_on(exchange, arriving(self.providers["north"], PATH, raw, PROVIDER_KEY))
        await exchange.piece(b"", more=False)

    async def send_on(self, exchange: Exchange, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            await exchange.piece(piece)


class Drips(PassesOn):
    """The answer is whole before its first event is sent, and the events come one by one then."""

    async def send_on(self, exchange: Exchange, pieces: AsyncIterator[bytes]) -> None:
        answer = b"".join([piece async for piece in pieces])
        for event in answer.split(b"\n\n")[:-1]:
            await exchange.piece(event + b"\n\n")
            await asyncio.sleep(0.01)


class Rewrites(PassesOn):
    async def send_on(self, exchange: Exchange, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            await exchange.piece(piece.replace(b"4:", b"5:"))


@pytest.mark.parametrize(
    ("service", "fails"),
    [
        (SmallGateway, {"PassedOn"}),
        (Drips, {"PassedOn"}),
        (Rewrites, {"PassedOn"}),
        (PassesOn, set()),
    ],
)
def test_a_stream_that_was_collected_or_rewritten_is_none(
    service: type[SmallGateway], fails: set[str]
) -> None:
    assert failing(judge(service, "streams.PassedOn")) == fails


def test_calls_inside_retry_after_are_those_of_the_same_provider_and_time() -> None:
    phases = importlib.import_module("lab_checks.phases")
    world = importlib.import_module("lab_checks.world")

    def row(provider: str, start: float, fault: str = "") -> Any:
        return world.Row(provider, start, start + 0.01, 200, fault, 1, 1)

    rows = [
        row("north", 10, "429"),
        row("north", 10.1),
        row("south", 10.5),
        row("north", 10.9),
        row("north", 11.2),
    ]
    samples: Any = SimpleNamespace()
    trouble = phases.Trouble(phases.Phase(samples, []), phases.Phase(samples, rows), "north")
    assert [r.start for r in trouble.inside()] == [10.9]


def test_texts_are_known_from_the_seed_and_from_nothing_else() -> None:
    world = importlib.import_module("lab_checks.world")

    async def ask(seed: str) -> str:
        async with providers(seed) as listening:
            answer = await listening["south"][1].request(
                "POST", PATH, json=BODY, headers=PROVIDER_KEY
            )
            return str(world.whole_text(answer.json()))

    said = asyncio.run(ask("one"))
    assert said in world.right_texts("one", BODY)
    assert said not in world.right_texts("two", BODY)


BODY = {
    "model": "chat",
    "messages": [{"role": "user", "content": "Summarise parcel 7."}],
    "max_tokens": 6,
}


def test_a_gateway_without_an_embedder_refuses_embeddings_and_counts_tokens() -> None:
    async def ask() -> tuple[int | None, Any, Any]:
        async with providers("s") as listening:
            gateway, target = listening["north"]
            body = {"model": "minilm", "input": "text"}
            refused = await target.request(
                "POST", "/v1/embeddings", json=body, headers=PROVIDER_KEY
            )
            models = await target.request("GET", "/v1/models", headers=PROVIDER_KEY)
            await target.request("POST", PATH, json=BODY, headers=PROVIDER_KEY)
            return refused.status, models.json()["data"], gateway.ledger.read()["rows"][-1]

    status, models, row = asyncio.run(ask())
    assert status == 404
    assert [model["id"] for model in models] == ["chat"]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (4, 6)
