"""Cardinality: what five hundred users do to the number of active series."""

from __future__ import annotations

from lab_checks.counters import not_scraped
from lab_checks.quiet import REQUESTS
from lab_checks.watch import Watch
from lab_checks.world import Traffic, drive

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Rule,
    constant,
    failed,
    passed,
)

ACTIVE = 'max_over_time(scrape_samples_post_metric_relabeling{job="app"}[4s])'
KINDS = ("500", "abstain", "thinking", "slow")
EACH_ONCE = [{"kind": kind, "from_index": at, "to_index": at + 1} for at, kind in enumerate(KINDS)]
"""Every outcome happens before the first count, so that no series is new only because of that."""


async def grown(watch: Watch) -> str:
    """A sentence that names the metric with the most series."""
    found = await watch.vector('topk(1, count by (__name__) ({job="app"}))')
    return f" {found[0][1]:g} of them are {found[0][0].get('__name__', '')[:80]}." if found else ""


class SeriesParams(Params):
    users: int = 500
    rate: float = 50.0
    at_most: float = 1.2


class ActiveSeries(Check):
    id = "series"
    params_model = SeriesParams
    params: SeriesParams

    async def run(self, ctx: Context) -> Measurement:
        p, watch = self.params, Watch(ctx)
        rule = Rule(
            op="at_most",
            threshold=p.at_most,
            unit="ratio",
            text=f"at most {p.at_most:g} x as many series",
        )
        await drive(
            ctx, Traffic(ctx.rng("few users"), 5), constant(p.rate / 2.5, 50 / p.rate), EACH_ONCE
        )
        if not await watch.after_scrapes(2):
            return await not_scraped(ctx, rule)
        few = await watch.value(ACTIVE)
        known = await watch.by("outcome", REQUESTS)
        await drive(
            ctx, Traffic(ctx.rng("many users"), p.users), constant(p.rate, p.users / p.rate)
        )
        if not await watch.after_scrapes(2):
            return await not_scraped(ctx, rule)
        many = await watch.value(ACTIVE)
        ratio = many / few if few > 0 else float("nan")
        text = f"{few:g} series with 5 users, {many:g} with {p.users}"
        measured = Measured(
            value=round(ratio, 3) if ratio == ratio else None,  # noqa: PLR0124 (no number)
            unit="ratio",
            n=p.users,
            text=text,
        )
        if not known:
            return failed(
                f"There is no {REQUESTS}.",
                measured,
                rule,
                "Count requests first; then count series.",
            )
        if 0.5 < ratio <= p.at_most:
            return passed(f"{text}.", measured, rule)
        advice = (
            "Label values must come from a small, fixed set. What differs from request to request "
            "(users, questions, "
            "trace ids) belongs in logs and spans."
        )
        message = (
            f"{text}.{await grown(watch)}"
            if ratio > 1
            else f"{text}: /metrics can no longer be scraped."
        )
        return failed(message, measured, rule, advice)
