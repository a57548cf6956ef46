"""Load while providers fail, measured once for two criteria: answers given, and what they cost the
providers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lab_checks.world import PROVIDERS, Providers, Row, chat_request, conversations, open_key

from grader.lab_api import Context, FaultRule, Samples, attack, constant

RATE = 16.0
FLAKY_S = 9.0
STORM_S = 8.0
RETRY_AFTER_S = 3.0
NEWS_S = 0.5
"""How long the news of a 429 may take to every copy of the gateway."""
TIMEOUT_S = 12.0


@dataclass
class Phase:
    """What the clients saw, and what the providers did."""

    samples: Samples
    rows: list[Row]

    @property
    def right(self) -> int:
        return sum(not error for error in self.samples.error)

    @property
    def amplification(self) -> float:
        """Provider calls per request."""
        return len(self.rows) / max(1, len(self.samples))


@dataclass
class Trouble:
    """Both phases, and which provider was at its limit in the second."""

    flaky: Phase
    storm: Phase
    stormy: str

    def inside(self) -> list[Row]:
        """Calls that came to a provider while its Retry-After ran."""
        limits = [row for row in self.storm.rows if row.fault == "429"]
        return [
            row
            for row in self.storm.rows
            if any(
                row.provider == limit.provider
                and limit.end + NEWS_S < row.start < limit.end + RETRY_AFTER_S
                for limit in limits
            )
        ]


def favourite(rows: list[Row]) -> str:
    """The provider that is asked most: the one whose fault a gateway that knows only one can't hide
    from.
    """
    calls = Counter(row.provider for row in rows)
    return max(PROVIDERS, key=lambda name: calls[name])


async def drive(
    ctx: Context,
    label: str,
    seconds: float,
    *,
    key: str,
    sse_every: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> Phase:
    """Open-loop load with requests of its own; every ``sse_every``-th is a stream."""
    schedule = constant(RATE, seconds)
    bodies = conversations(ctx, label, len(schedule))
    requests = [
        chat_request(ctx, key, body, sse=bool(sse_every) and i % sse_every == 0)
        for i, body in enumerate(bodies)
    ]
    samples = await attack([ctx.app], schedule, requests.__getitem__, timeout_s=timeout_s)
    return Phase(samples, await Providers(ctx).settled())


async def trouble(ctx: Context) -> Trouble:
    """Both phases, measured once in a run."""
    return await ctx.once("trouble", lambda: _measure(ctx))


async def _measure(ctx: Context) -> Trouble:
    key = await open_key(ctx, "trouble")
    providers = Providers(ctx)
    await providers.reset()
    try:
        ctx.note("every provider fails one call in five")
        failing = [FaultRule(kind="500", share=0.14), FaultRule(kind="reset", share=0.06)]
        await providers.faults(dict.fromkeys(PROVIDERS, failing))
        flaky = await drive(ctx, "flaky", FLAKY_S, key=key)
        stormy = favourite(flaky.rows)
        ctx.note(f"{stormy} is at its limit and says Retry-After: {RETRY_AFTER_S:g}")
        await providers.reset()
        await providers.faults({stormy: [FaultRule(kind="429", retry_after_s=RETRY_AFTER_S)]})
        storm = await drive(ctx, "storm", STORM_S, sse_every=4, key=key)
    finally:
        await providers.reset()
    return Trouble(flaky, storm, stormy)
