"""The harmless stretch of traffic that four criteria look at: faults that no user minds, refused
requests, a burst.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from lab_checks.watch import REST, Watch, load_rules
from lab_checks.world import OUTCOMES, PATH, Phase, Traffic, drive

from grader.lab_api import Context, step

RATE, BURST = 14.0, 36.0
STAGES = ((RATE, 9.0), (BURST, 3.0), (RATE, 3.0))
CLEAN = 40
"""Requests before the first fault: a share of very few is not a share."""
SPACE = 18
MALFORMED = 14
USERS = 8
KEY = "quiet"


class Quiet:
    """What was sent and seen, and what the learner's metrics counted meanwhile."""

    def __init__(self, phase: Phase, before: dict[str, Any], after: dict[str, Any]) -> None:
        self.phase, self._before, self._after = phase, before, after

    def grown(self, metric: str) -> dict[str, float]:
        """By how much each value of the metric's label grew; what is missing is 0."""
        before, after = self._before[metric], self._after[metric]
        return {label: value - before.get(label, 0.0) for label, value in after.items()}


REQUESTS, TOKENS, TTFT = (
    "assistant_requests_total",
    "assistant_tokens_total",
    "assistant_ttft_seconds_bucket",
)
LABELS = {REQUESTS: "outcome", TOKENS: "kind", TTFT: "le"}


async def quiet(ctx: Context) -> Quiet | None:
    """The stretch, driven once a run. None when Prometheus did not scrape."""
    if KEY not in ctx.shared:
        await load_rules(ctx)
        watch = Watch(ctx)
        if not await watch.after_scrapes(1):
            return None
        await watch.rested(REST)  # an alert about what came before would be blamed on this stretch
        before = await counters(watch)
        traffic, schedule = Traffic(ctx.rng("quiet"), USERS), step(STAGES)
        faults = harmless(ctx.rng("harmless"), len(schedule))
        phase, _ = await asyncio.gather(drive(ctx, traffic, schedule, faults), refused(ctx))
        if not await watch.after_scrapes(2):
            return None
        ctx.shared[KEY] = Quiet(phase, before, await counters(watch))
    found: Quiet = ctx.shared[KEY]
    return found


async def refused(ctx: Context) -> None:
    """Requests without a user, all along: they are answered with 4xx and must not be counted."""
    pause_s = sum(seconds for _, seconds in STAGES) / (MALFORMED + 1)
    traffic = Traffic(ctx.rng("malformed"), 1)
    for _ in range(MALFORMED):
        await asyncio.sleep(pause_s)
        await ctx.app.request(
            "POST", PATH, json={"question": traffic.turn().question}, timeout_s=15
        )


def again(ctx: Context) -> None:
    """Forget the stretch: whoever could not decide from it needs another one."""
    ctx.shared.pop(KEY, None)


async def counters(watch: Watch) -> dict[str, dict[str, float]]:
    """The learner's counters now: metric -> label value -> sum."""
    return {metric: await watch.by(label, metric) for metric, label in LABELS.items()}


def harmless(rng: random.Random, requests: int) -> list[dict[str, Any]]:
    """Single faults far apart, in a seeded order: one request in eighteen fails, abstains, thinks,
    or is slow.
    """
    places = range(CLEAN, requests - 2, SPACE)
    kinds = ["500"] * 5 + ["abstain"] * 5 + ["thinking"] * 3 + ["slow"] * 1
    kinds = [kinds[i % len(kinds)] for i in range(len(places))]
    rng.shuffle(kinds)
    return [
        {"kind": kind, "from_index": at, "to_index": at + 1, "factor": 15}
        for at, kind in zip(
            (place + rng.randrange(SPACE // 2) for place in places), kinds, strict=True
        )
    ]


def truth(phase: Phase) -> dict[str, dict[str, float]]:
    """What the counters should have grown by, from the probe's answers and the model's ledger."""
    seen = phase.traffic.counts()
    billed = {
        kind: float(sum(row[f"{kind}_tokens"] for row in phase.calls if row["status"] == 200))
        for kind in ("prompt", "completion")
    }
    return {REQUESTS: {outcome: float(seen[outcome]) for outcome in OUTCOMES}, TOKENS: billed}
