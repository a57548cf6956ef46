"""The median search against the exact scan, and against itself while a bulk load runs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import statistics
import time
from typing import Any

import numpy as np
from lab_checks import corpus as corpora
from lab_checks.asking import BATCH, TIMEOUT_S, K, Loaded, ids_of, loaded, query, search

from grader.lab_api import (
    Answer,
    Check,
    Context,
    Measured,
    Measurement,
    Outcome,
    Params,
    PartyFailed,
    Plan,
    Request,
    Rule,
    compare,
    failed,
    is_unanswered,
    json_request,
    passed,
    ratio_measured,
    ratio_rule,
    seconds_histogram,
    undecided,
)

UTILISATION = 0.2
PHASES, MOST_PHASES, PHASE_SEARCHES, PHASE_S = 5, 10, 20, 3.0
LOADERS, PREPARED, PERIOD_S = 2, 4, 0.3
"""Of a bulk load: requests at once, their bodies, and the least time between two of one loader's. A
loader that does not rest measures how fast a service takes data in, which is not the question.
"""


class Recalled:
    """What answers under load held of the truth: fast and wrong is wrong, but one unlucky search is
    no verdict.
    """

    def __init__(self) -> None:
        self.shares: list[float] = []

    def request(self, data: Loaded, v: np.ndarray) -> Request:
        truth = set(data.corpus.exact(0, v, K))

        def validate(answer: Answer) -> str:
            if answer.status != 200:
                return f"answered {answer.status}, expected 200"
            ids = ids_of(answer.json())
            if ids is None or len(set(ids)) != K or len(ids) != K:
                return f"did not return {K} different hits"
            self.shares.append(len(truth & set(ids)) / K)
            return ""

        return json_request("POST", "/search", query(data.corpus.tenants[0], v), validate=validate)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.shares) if self.shares else 1.0


def vectors(ctx: Context, data: Loaded, label: str, count: int) -> list[np.ndarray]:
    """Queries of the large tenant."""
    rng = corpora.generator(ctx.rng(label))
    rows = data.corpus.rows(0)
    return [corpora.near(data.corpus, int(rng.choice(rows)), rng) for _ in range(count)]


class MedianParams(Params):
    threshold: float
    recall: float
    per_window: int = 10


class Median(Check):
    """p50 as a ratio to the exact scan's, single requests alternating."""

    id = "speed"
    params_model = MedianParams
    params: MedianParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        assert ctx.spec.baseline is not None
        r = ctx.target(ctx.spec.baseline.name)
        recalled = Recalled()
        many = [recalled.request(data, v) for v in vectors(ctx, data, "speed", 400)]
        cost = statistics.median([await _seconds(r, request) for request in many[:10]])
        plan = Plan(
            self.params.threshold, "at_most", 2 * UTILISATION / cost, self.params.per_window
        )
        seen = await compare((ctx.app, r), lambda pair: many[pair % len(many)], plan)
        measured, rule = ratio_measured(seen.decision), ratio_rule(self.params.threshold, "at_most")
        advice = (
            "Give the vectors an index (USING hnsw ... vector_cosine_ops) and look with EXPLAIN "
            "whether it is used."
        )
        if seen.wrong is not None:
            side, pair, said, unanswered = seen.wrong
            if side == 1:
                return undecided(
                    f"The exact scan itself failed under load: {said}.", measured, rule
                )
            shown = await ctx.app.request(
                "POST", "/search", body=many[pair % len(many)].body, timeout_s=10
            )
            return failed(
                f"Under load, a search {said}.",
                measured,
                rule,
                advice,
                shown,
                unanswered=unanswered,
            )
        # Half of the answers are the scan's own, which hold all ten.
        if (share := 2 * recalled.mean - 1) < self.params.recall:
            message = f"Under load, searches returned {share:.0%} of the ten nearest on average."
            return failed(
                message, measured, rule, "A search under load has to find what a quiet one finds."
            )
        if seen.client_failed or not seen.log_ratios:
            return undecided("The load generator could not keep to its schedule.", measured, rule)
        mine, theirs = (statistics.median(side) for side in seen.values)
        message = (
            f"The median search took {mine * 1000:.1f} ms, the exact scan's {theirs * 1000:.1f} ms."
        )
        series = [
            seconds_histogram(
                "Time of a search",
                *seen.values,
                threshold=theirs * self.params.threshold,
                summary=message,
            )
        ]
        if seen.decision.outcome is Outcome.PASSED:
            return passed(message, measured, rule, series=series)
        if seen.decision.outcome is Outcome.FAILED:
            return failed(message, measured, rule, advice, series=series)
        return undecided(message, measured, rule, series)


async def _seconds(target: Any, request: Request) -> float:
    headers = {"Content-Type": "application/json"}
    response = await target.request(
        "POST", request.path, body=request.body, headers=headers, timeout_s=20
    )
    if response.status != 200:
        raise PartyFailed(f"the exact scan answered {response.status} {response.error}")
    return float(response.total_s)


class BulkParams(Params):
    threshold: float


class Bulk(Check):
    """Searches one after the other, quiet and during a bulk load, in turn; the ratio of the medians
    per turn.
    """

    id = "bulk"
    params_model = BulkParams
    params: BulkParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        limit = self.params.threshold
        ratios: list[float] = []
        rule = Rule(op="at_most", threshold=limit, unit="ratio", text=f"at most {limit:g} × quiet")
        advice = (
            "Let writes and searches run at the same time: no lock around both, and several "
            "connections."
        )
        rng = corpora.generator(ctx.rng("bulk"))
        while len(ratios) < MOST_PHASES:
            quiet, wrong = await self._phase(ctx, data, rng)
            bodies, stop = _bulk_bodies(ctx, len(ratios)), asyncio.Event()
            loaders = [
                asyncio.create_task(_bulk_load(ctx, bodies[n::LOADERS], stop))
                for n in range(LOADERS)
            ]
            await asyncio.sleep(0.2)
            busy, wrong_busy = await self._phase(ctx, data, rng)
            stop.set()
            refused = next((said for said in await asyncio.gather(*loaders) if said), None)
            if said := wrong or wrong_busy or refused:
                measured = Measured(text=f"{len(ratios)} turns measured")
                message, unanswered = (
                    f"During a bulk load, {said[0]}.",
                    is_unanswered(said[1].status),
                )
                return failed(message, measured, rule, advice, said[1], unanswered=unanswered)
            ratios.append(busy / quiet)
            if len(ratios) >= PHASES and (min(ratios) > limit or max(ratios) < limit):
                break
        return self._say(ratios, rule, advice)

    def _say(self, ratios: list[float], rule: Rule, advice: str) -> Measurement:
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        text = f"{middle:.1f} × quiet [{low:.1f}, {high:.1f}], n = {len(ratios)}"
        measured = Measured(
            value=round(middle, 3), unit="ratio", low=low, high=high, n=len(ratios), text=text
        )
        message = (
            f"While a tenant is loaded, the median search takes {middle:.1f} times as long as "
            "before."
        )
        beyond = sum(ratio > rule.threshold for ratio in ratios) if rule.threshold else 0
        if beyond <= len(ratios) // 5:
            return passed(message, measured, rule)
        if beyond >= len(ratios) - len(ratios) // 5:
            return failed(message, measured, rule, advice)
        return undecided(message, measured, rule)

    async def _phase(
        self, ctx: Context, data: Loaded, rng: Any
    ) -> tuple[float, tuple[str, Any] | None]:
        """Median seconds of some searches, fewer when they are slow; or (what was wrong, the
        response).
        """
        times: list[float] = []
        rows, until = data.corpus.rows(0), time.perf_counter() + PHASE_S
        while len(times) < PHASE_SEARCHES and (len(times) < 5 or time.perf_counter() < until):
            v = corpora.near(data.corpus, int(rng.choice(rows)), rng)
            found = await search(ctx.app, query(data.corpus.tenants[0], v), 10)
            if found.wrong:
                return math.inf, (f"a search {found.wrong}", found.response)
            times.append(found.response.total_s)
            await asyncio.sleep(0.005)
        return statistics.median(times), None


def _bulk_bodies(ctx: Context, number: int) -> list[bytes]:
    """Batches of a tenant of its own, encoded before anything is timed."""
    rng, tenant = corpora.generator(ctx.rng(f"bulk {number}")), f"bulk-{number}-{ctx.seed[:6]}"
    bodies = []
    for batch in range(PREPARED):
        v = rng.standard_normal((BATCH, corpora.DIMENSIONS)).astype(np.float32)
        items = [
            {"id": f"{tenant}-{batch}-{i}", "v": corpora.numbers(row), "day": 1}
            for i, row in enumerate(v)
        ]
        bodies.append(json.dumps({"tenant": tenant, "items": items}).encode())
    return bodies


async def _bulk_load(
    ctx: Context, bodies: list[bytes], stop: asyncio.Event
) -> tuple[str, Any] | None:
    """Write batch after batch, from the first again after the last, until told to stop."""
    headers = {"Content-Type": "application/json"}
    for body in itertools.cycle(bodies):
        began = time.perf_counter()
        response = await ctx.app.request(
            "POST", "/vectors", body=body, headers=headers, timeout_s=TIMEOUT_S
        )
        if not response.ok:
            return f"POST /vectors {response.error or f'answered {response.status}'}", response
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.001, began + PERIOD_S - time.perf_counter()))
        if stop.is_set():
            return None
    return None
