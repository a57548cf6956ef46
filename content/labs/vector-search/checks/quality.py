"""Recall against the exact scan, with and without filters, and the wall between tenants."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from lab_checks import corpus as corpora
from lab_checks.asking import Days, Found, K, Loaded, loaded, searched

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Outcome,
    Params,
    Rule,
    Series,
    counted,
    failed,
    passed,
)

QUERIES = 60
WINDOW_DAYS, WIDE_DAYS = 25, 500
MET, SCORED = 40, 12
ROUNDED = 0.02
"""So far a score may lie from the cosine, and two hits from their order: a store may keep vectors
in fewer bits.
"""


async def recalls(
    ctx: Context, data: Loaded, label: str, plan: list[tuple[int, Days | None]]
) -> tuple[list[float], Found | None]:
    """recall@10 of one search per (tenant, days), and the worst answer."""
    rng = corpora.generator(ctx.rng(label))
    values: list[float] = []
    worst: Found | None = None
    for tenant, days in plan:
        rows = data.corpus.rows(tenant, days)
        v = corpora.near(data.corpus, int(rng.choice(rows)), rng)
        truth = data.corpus.exact(tenant, v, K, days)
        found = await searched(ctx, data, tenant, v, days)
        values.append(len(set(found.ids) & set(truth)) / len(truth))
        if worst is None or values[-1] <= min(values[:-1], default=1.0):
            worst = found
    return values, worst


def misjudged(data: Loaded, v: np.ndarray, document: Any) -> str:
    """What is wrong with the order or the scores of the hits, empty when nothing is.

    Ids of nobody are left out.
    """
    query, before = v / np.linalg.norm(v), 1.0
    for hit in document["hits"]:
        row = data.corpus.row_of.get(hit["id"])
        if row is None:
            continue
        cosine, score = float(data.corpus.unit[row] @ query), hit.get("score")
        if not isinstance(score, int | float) or not abs(score - cosine) <= ROUNDED:
            return f"gave a hit the score {str(score)[:20]}, its cosine similarity is {cosine:.3f}"
        if cosine > before + ROUNDED:
            return f"put a hit of {before:.3f} before one of {cosine:.3f}"
        before = cosine
    return ""


def judged(
    values: dict[str, list[float]], worst: Found | None, least: float, advice: str, said: str
) -> Measurement:
    """Passed when the mean recall of every group reaches ``least``."""
    means = {name: statistics.fmean(group) for name, group in values.items()}
    name = min(means, key=lambda key: means[key])
    low = means[name]
    n = sum(len(group) for group in values.values())
    text = ", ".join(f"{key} {mean:.2f}" for key, mean in means.items())
    measured = Measured(value=round(low, 4), unit="recall", n=n, text=f"recall@10: {text}, n = {n}")
    rule = Rule(
        op="at_least", threshold=least, unit="recall", text=f"at least {least:g} of the exact scan"
    )
    message = f"Of the ten nearest vectors, {said} returned {low:.0%} on average ({name})."
    bars = [
        Series(
            kind="bars",
            title=f"recall@10, {key}: searches by the share they found",
            unit="searches",
            app=[
                (share / 10, float(sum(round(v * 10) == share for v in group)))
                for share in range(11)
            ],
            summary=f"{sum(v == 1 for v in group)} of {len(group)} searches found all ten.",
        )
        for key, group in values.items()
    ]
    if low >= least:
        return passed(message, measured, rule, series=bars)
    if worst is not None and worst.wrong:
        message += f" One of them {worst.wrong}."
    return failed(message, measured, rule, advice, worst.response if worst else None, series=bars)


class RecallParams(Params):
    recall: float


class Recall(Check):
    """Searches without a filter in the large tenant."""

    id = "recall"
    params_model = RecallParams
    params: RecallParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        values, worst = await recalls(ctx, data, "recall", [(0, None)] * QUERIES)
        advice = (
            "Compare by cosine: the stored vectors and the queries have any length. With an index, "
            "let a search look "
            "at more candidates than it returns (hnsw.ef_search)."
        )
        found = judged({"large tenant": values}, worst, self.params.recall, advice, "searches")
        if found.outcome is not Outcome.PASSED:
            return found  # who compares by something else has no right order either
        return await self._scores(ctx, data) or found

    async def _scores(self, ctx: Context, data: Loaded) -> Measurement | None:
        """Why hits are not best first with their cosine, in the large tenant or in a small one."""
        rng = corpora.generator(ctx.rng("scores"))
        for number in range(SCORED):
            tenant = number % 2
            v = corpora.near(data.corpus, int(rng.choice(data.corpus.rows(tenant))), rng)
            found = await searched(ctx, data, tenant, v)
            if not found.wrong and (said := misjudged(data, v, found.response.json())):
                rule = Rule(
                    op="all",
                    unit="searches",
                    text="hits best first, each with its cosine similarity",
                )
                advice = (
                    "Answer the hits in descending order of 1 - (v <=> query), and give that "
                    "number as the score."
                )
                measured = counted(number, SCORED, "searches")
                return failed(f"A search {said}.", measured, rule, advice, found.response)
        return None


class Filters(Check):
    """Small tenants, and narrow and wide ranges of days in the large one."""

    id = "filters"
    params_model = RecallParams
    params: RecallParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        rng = ctx.rng("filters")
        small: list[tuple[int, Days | None]] = [
            (1 + n % corpora.SMALL_TENANTS, None) for n in range(QUERIES // 2)
        ]
        starts = [rng.randrange(corpora.DAYS - WINDOW_DAYS) for _ in range(QUERIES // 2)]
        windows: list[tuple[int, Days | None]] = [
            (0, (day, day + WINDOW_DAYS - 1)) for day in starts
        ]
        starts = [rng.randrange(corpora.DAYS - WIDE_DAYS) for _ in range(QUERIES // 3)]
        halves: list[tuple[int, Days | None]] = [(0, (day, day + WIDE_DAYS - 1)) for day in starts]
        groups: dict[str, list[float]] = {}
        worst: dict[str, Found | None] = {}
        for name, plan in (("2 % tenants", small), ("25 days", windows), ("500 days", halves)):
            groups[name], worst[name] = await recalls(ctx, data, name, plan)
        advice = (
            "An index that finds its 40 nearest first and filters afterwards keeps next to nothing "
            "of a small tenant. "
            "Filter first: scan exactly when few rows fit, walk the index iteratively when many "
            "do, or give tenants "
            "indexes of their own."
        )
        lowest = min(groups, key=lambda name: statistics.fmean(groups[name]))
        return judged(groups, worst[lowest], self.params.recall, advice, "filtered searches")


class Tenants(Check):
    """No search of the whole run may have returned another tenant's id; then the same vectors are
    asked around.
    """

    id = "tenants"

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        owners = dict(
            zip(data.corpus.ids, (data.corpus.tenants[o] for o in data.corpus.owner), strict=True)
        )
        rng = corpora.generator(ctx.rng("tenants"))
        for _ in range(MET):
            v = corpora.near(data.corpus, int(rng.integers(0, len(data.corpus.ids))), rng)
            start = int(rng.integers(0, corpora.DAYS - 200))
            # The same question by several tenants in a row, as a cache would love it.
            for tenant in rng.permutation(len(data.corpus.tenants))[:3]:
                await searched(ctx, data, int(tenant), v)
                await searched(ctx, data, int(tenant), v, (start, start + 199))
        foreign = [
            (response, i)
            for tenant, ids, response in data.seen
            for i in ids
            if owners.get(i) != tenant
        ]
        answered = sum(response.status == 200 for _, _, response in data.seen)
        rule = Rule(op="none", unit="ids", text="no id of another tenant")
        if answered < 0.9 * len(data.seen):
            silent = next(response for _, _, response in data.seen if response.status != 200)
            message = (
                f"{len(data.seen) - answered} of {len(data.seen)} searches were not answered with "
                "200."
            )
            advice = (
                "Where nothing is answered, nothing can be said about whom it would have belonged "
                "to."
            )
            return failed(
                message, counted(answered, len(data.seen), "searches"), rule, advice, silent
            )
        measured = Measured(
            value=len(foreign),
            unit="ids",
            n=len(data.seen),
            text=f"{len(foreign)} foreign ids in {len(data.seen)} searches",
        )
        if not foreign:
            return passed("No search returned another tenant's vector.", measured, rule)
        advice = (
            "The tenant belongs into the WHERE clause of every search, and into the key of "
            "everything that is cached."
        )
        return failed(
            f"A search returned {foreign[0][1]!r}, which is not this tenant's.",
            measured,
            rule,
            advice,
            foreign[0][0],
        )
