"""Criteria about keys: the rate of the bucket, the exact quota, and usage that equals the
providers' ledgers.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from lab_checks.world import (
    PROVIDERS,
    Providers,
    conversations,
    headers_of,
    key_of,
    open_key,
    put_in_force,
    usage_in,
)

from grader.lab_api import (
    Answer,
    Check,
    Context,
    FaultRule,
    Measured,
    Measurement,
    Params,
    Request,
    Response,
    Rule,
    Samples,
    Tally,
    attack,
    constant,
    failed,
    json_request,
    passed,
    undecided,
)

PATH = "/v1/chat/completions"
SEEN_S = 1.2
"""The balancer asks twice a second: so long it may take to see that a copy is back."""
LATE_S = 0.2
"""A later send than this moves more than a request or two in or out of the time that is judged."""
FIELDS = ("prompt_tokens", "completion_tokens")


SECONDS = re.compile(r"[1-9]\d{0,5}")


def admitted_or_refused(answer: Answer) -> str:
    """200 or 429: that of a used-up quota has nothing to wait for."""
    return "" if answer.status in (200, 429) else f"status {answer.status}"


def admitted_or_told_when(answer: Answer) -> str:
    """200, or a 429 that says in whole seconds when to come back."""
    said = answer.headers.get("retry-after", "").strip()
    if answer.status == 429 and not said:
        return "a 429 without Retry-After"
    if answer.status == 429 and not SECONDS.fullmatch(said):
        return f"a 429 whose Retry-After is {said[:20]!r}: whole seconds, at least 1"
    return admitted_or_refused(answer)


def short_requests(
    ctx: Context,
    label: str,
    key: str,
    count: int,
    validate: Callable[[Answer], str] = admitted_or_refused,
) -> list[Request]:
    """Chat requests for one token each."""
    return [
        json_request("POST", PATH, body, headers=headers_of(key), validate=validate)
        for body in conversations(ctx, label, count, tokens=1)
    ]


class RateParams(Params):
    tolerance: float
    seconds: float = 6.0
    over: float = 2.5


class RateLimit(Check):
    """Requests admitted of a stream that is faster than the key allows, over both copies."""

    id = "rate"
    params_model = RateParams
    params: RateParams

    async def run(self, ctx: Context) -> Measurement:
        p, rng = self.params, ctx.rng("rate")
        rate, burst = rng.randint(8, 11), rng.randint(12, 18)
        text = f"admitted = rate x t + burst, within {p.tolerance:.0%}, over all copies"
        rule = Rule(op="exact", threshold=p.tolerance, unit="share", text=text)
        key = await open_key(ctx, "rate", rate=rate, burst=burst)
        await Providers(ctx).reset()
        schedule = constant(rate * p.over, p.seconds)
        requests = short_requests(ctx, "rate requests", key, len(schedule), admitted_or_told_when)
        samples = await attack([ctx.app], schedule, requests.__getitem__, timeout_s=10)
        admitted = Counter(samples.status)[200]
        expected = rate * schedule.offsets[-1] + burst
        allowed = math.ceil(expected * p.tolerance)
        measured = Measured(
            value=admitted,
            unit="requests",
            n=len(samples),
            text=(
                f"{admitted} admitted, {expected:.0f} allowed (rate {rate}, burst {burst}, "
                f"{p.seconds:g} s)"
            ),
        )
        advice = (
            "Keep one token bucket per key in the shared state, and take from it in one atomic "
            "step."
        )
        if wrong := samples.errors():
            message = (
                f"Where only 200 and 429 with Retry-After are right, users saw {next(iter(wrong))}."
            )
            return failed(
                message, measured, rule, "Refuse with 429 and Retry-After, and answer the rest."
            )
        if abs(admitted - expected) <= allowed:
            return passed("The key got its rate and its burst, and no more.", measured, rule)
        if samples.client_was_late(LATE_S):
            return undecided("The machine was too busy to send on time.", measured, rule)
        what = "more" if admitted > expected else "fewer"
        message = (
            f"{admitted} requests were admitted, {what} than the {expected:.0f} that rate and "
            "burst allow."
        )
        return failed(message, measured, rule, advice)


class QuotaParams(Params):
    """``rate`` requests a second are sent, ``times`` the quota in all; the key may send ``limit`` a
    second.
    """

    least: int = 30
    most: int = 45
    times: int = 4
    rate: float = 40.0
    limit: float = 15.0
    burst: int = 5
    malformed: int = 6
    first_s: float = 0.8


class Quota(Check):
    """A key's quota over all copies, of which one is killed and started anew on the way, and one
    after the end.

    What is malformed or over the rate must not count: most requests are over the rate, until the
    quota is used up.
    """

    id = "quota"
    params_model = QuotaParams
    params: QuotaParams

    async def run(self, ctx: Context) -> Measurement:
        p = self.params
        quota = ctx.rng("quota").randint(p.least, p.most)
        rule = Rule(
            op="exact", threshold=0, unit="requests", text="exactly the quota, over all copies, +0"
        )
        key = await open_key(ctx, "quota", quota=2 * quota)
        # Installed anew with less: what holds is what came last.
        await put_in_force(ctx, key_of(key, rate=p.limit, burst=p.burst, quota=quota))
        await Providers(ctx).reset()
        for number in range(p.malformed):
            body = b'{"messages": ' if number % 2 else b'{"model": "chat", "messages": "none"}'
            headers = {**headers_of(key), "Content-Type": "application/json"}
            await ctx.app.request("POST", PATH, body=body, headers=headers, timeout_s=12)
        count = p.times * quota
        requests = short_requests(ctx, "quota requests", key, count)
        early = constant(p.rate, p.first_s)
        first = await attack([ctx.app], early, requests.__getitem__, timeout_s=12)
        await self._restart(
            ctx, "first restart"
        )  # what a copy had set aside for itself is lost now
        rest = requests[len(early) :]
        samples = await attack(
            [ctx.app], constant(p.rate, len(rest) / p.rate), rest.__getitem__, timeout_s=12
        )
        errors = {**first.errors(), **samples.errors()}
        admitted = Counter(first.status)[200] + Counter(samples.status)[200]
        if admitted == quota:
            later = await self._after_restart(ctx, key)
            admitted += Counter(later.status)[200]
        measured = Measured(
            value=admitted,
            unit="requests",
            n=count,
            text=f"{admitted} admitted, the quota is {quota}",
        )
        if admitted == quota and not errors:
            return passed("The quota held over all copies, and over a restart.", measured, rule)
        if admitted <= quota and errors:
            message = f"Where only 200 and 429 are right, users saw {next(iter(errors))}."
            return failed(
                message,
                measured,
                rule,
                "Answer every admitted request, and refuse the rest with 429.",
            )
        more = "more" if admitted > quota else "fewer"
        return failed(
            f"{admitted} requests were admitted, {more} than the quota of {quota}.",
            measured,
            rule,
            "Count in the shared state, and check and count in one atomic step: two copies may ask "
            "at the same moment. "
            "Only what was admitted counts: neither a malformed request nor one over the rate does.",
        )

    async def _after_restart(self, ctx: Context, key: str) -> Samples:
        """Some requests more, after one copy has lost its memory."""
        await self._restart(ctx, "restart")
        requests = short_requests(ctx, "quota after restart", key, 8)
        return await attack([ctx.app], constant(16, 0.5), requests.__getitem__, timeout_s=12)

    async def _restart(self, ctx: Context, label: str) -> None:
        """Kill a copy, at random, and wait until it is ready again."""
        if len(ctx.replicas) > 1:
            name = ctx.rng(label).choice(ctx.replicas)
            ctx.note(f"{name} is restarted")
            await ctx.control("restart", name)
            await until_ready(ctx, name)


async def until_ready(ctx: Context, name: str) -> None:
    """Wait, 20 seconds at most, until this copy says that it is ready."""
    for _ in range(100):
        if (await ctx.target(name).request("GET", ctx.spec.service.ready_path, timeout_s=2)).ok:
            return
        await asyncio.sleep(0.2)


class UsageParams(Params):
    keys: int = 3
    requests: int = 8


class Usage(Check):
    """GET /v1/usage and the usage in the answers against the providers' ledgers, over a release of
    both copies.
    """

    id = "usage"
    params_model = UsageParams
    params: UsageParams

    async def run(self, ctx: Context) -> Measurement:
        tally, providers = Tally("keys whose usage equals the ledger"), Providers(ctx)
        await providers.reset()
        keys = [await open_key(ctx, f"usage {number}") for number in range(self.params.keys)]
        try:
            await self._break_off(ctx, providers, keys[0])
            await providers.faults({name: [FaultRule(kind="500", share=0.1)] for name in PROVIDERS})
            true = [
                await self._spend(ctx, providers, key, number) for number, key in enumerate(keys)
            ]
            await self._release(ctx)
        finally:
            await providers.faults({})
        for key, (answers, wanted) in zip(keys, true, strict=True):
            tally.add(*await self._compare(ctx, key, answers, wanted))
        return tally.verdict(
            "The gateway's books and the providers' ledgers agree.",
            "Book the usage that the provider's answer carries, once per complete answer, in the "
            "shared state. A stream that broke off is none.",
        )

    async def _release(self, ctx: Context) -> None:
        """SIGTERM to one copy after the other, right after the last answer: nothing that it knew
        may be lost.
        """
        if len(ctx.replicas) < 2:
            return
        for name in ctx.replicas:
            ctx.note(f"{name} is replaced")
            await ctx.control("stop", name)
            await ctx.control("restart", name)
            await until_ready(ctx, name)
            await asyncio.sleep(SEEN_S)

    async def _break_off(self, ctx: Context, providers: Providers, key: str) -> None:
        """A stream that breaks off: no complete answer, so nothing to book."""
        await providers.faults({name: [FaultRule(kind="reset")] for name in PROVIDERS})
        body = {**conversations(ctx, "usage of a broken stream", 1)[0], "stream": True}
        await ctx.app.request("POST", PATH, json=body, headers=headers_of(key), timeout_s=15)

    async def _spend(
        self, ctx: Context, providers: Providers, key: str, number: int
    ) -> tuple[list[Response], dict[str, int]]:
        """Use one key, and say what its answers cost by the ledgers."""
        await asyncio.sleep(0)
        known = {(row.provider, row.start) for row in await providers.settled()}
        bodies = conversations(ctx, f"usage {number}", self.params.requests, tokens=7 + number)
        sent = [{**body, "stream": True} if i % 3 == 0 else body for i, body in enumerate(bodies)]
        headers = headers_of(key)
        asked = [
            ctx.app.request("POST", PATH, json=body, headers=headers, timeout_s=12) for body in sent
        ]
        answers = list(await asyncio.gather(*asked))
        rows = [row for row in await providers.settled() if (row.provider, row.start) not in known]
        billed = [row for row in rows if row.status == 200 and not row.fault]
        return answers, {name: sum(getattr(row, name) for row in billed) for name in FIELDS}

    async def _compare(
        self, ctx: Context, key: str, answers: list[Response], wanted: dict[str, int]
    ) -> tuple[str, Response]:
        """What is wrong with a key's usage, empty when nothing is, and the exchange that shows
        it.
        """
        for answer in answers:
            if not answer.ok:
                return f"A plain request was answered with {answer.status or answer.error}.", answer
        said = [usage_in(answer) or {} for answer in answers]
        totals = {name: sum(usage.get(name, 0) for usage in said) for name in FIELDS}
        if totals != wanted:
            return (
                f"The answers say {shown(totals)}; the providers metered {shown(wanted)}.",
                answers[0],
            )
        expected = {"requests": len(answers), **wanted}
        for _ in range(10):
            answer = await ctx.app.request(
                "GET", "/v1/usage", headers=headers_of(key), timeout_s=10
            )
            body = answer.json()
            found = {name: body.get(name) for name in expected} if isinstance(body, dict) else {}
            if found == expected:
                return "", answer
            await asyncio.sleep(0.2)
        return f"GET /v1/usage says {shown(found)}; by the ledgers it is {shown(expected)}.", answer


def shown(usage: dict[str, Any]) -> str:
    return ", ".join(f"{str(value)[:20]} {name}" for name, value in usage.items()) or "nothing"
