"""The check of calls that stand side by side: one provider at a time is asked for an answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lab_checks.world import PROVIDERS, Providers, Row, conversations, headers_of, open_key

from grader.lab_api import (
    Check,
    Context,
    FaultRule,
    Measurement,
    Params,
    counted,
    every,
    failed,
    passed,
)

UNIT = "requests with one provider call at a time"
OVERLAP_S = 0.1
"""A provider learns a little later that nobody waits for it any more."""


class OneParams(Params):
    requests: int = 8
    factor: float = 6.0


class OneAtATime(Check):
    """Providers are slow for a while, so that whoever asks a second one for the same answer
    shows.
    """

    id = "one-at-a-time"
    params_model = OneParams
    params: OneParams

    async def run(self, ctx: Context) -> Measurement:
        rule = every(UNIT)
        key = await open_key(ctx, "one-at-a-time")
        providers = Providers(ctx)
        await providers.reset()
        slow = [FaultRule(kind="slow", factor=self.params.factor)]
        try:
            await providers.faults(dict.fromkeys(PROVIDERS, slow))
            for body in conversations(ctx, "one at a time", self.params.requests):
                answer = await ctx.app.request(
                    "POST", "/v1/chat/completions", json=body, headers=headers_of(key), timeout_s=12
                )
            rows = await providers.settled()
        finally:
            await providers.reset()
        twice = overlapping(rows)
        good = max(0, self.params.requests - twice)
        measured = counted(good, self.params.requests, UNIT)
        if not twice:
            return passed("One provider at a time was asked for an answer.", measured, rule)
        message = (
            f"For {twice} of {self.params.requests} requests a second provider was asked while the "
            "first worked."
        )
        advice = (
            "Ask another provider only after the first has failed, or after you have given up on "
            "it."
        )
        return failed(message, measured, rule, advice, answer)


def overlapping(rows: Sequence[Row]) -> int:
    """How many requests had two calls at once."""
    by_request: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_request[row.asked].append(row)
    found = 0
    for calls in by_request.values():
        calls.sort(key=lambda row: row.start)
        found += any(
            later.start < first.end - OVERLAP_S
            for first, later in zip(calls, calls[1:], strict=False)  # noqa: RUF007
        )
    return found
