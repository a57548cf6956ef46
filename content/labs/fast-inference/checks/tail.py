"""Bursts at one and a half times of what the baseline can do."""

from __future__ import annotations

import statistics
from array import array

from lab_checks.asking import Rows, quiet, r, world
from lab_checks.install import installed
from lab_checks.speed import UNDECIDED, again, guessed

from grader.lab_api import (
    Check,
    ClosedLoop,
    Context,
    Measured,
    Measurement,
    Params,
    Request,
    Rule,
    Samples,
    Schedule,
    attack,
    failed,
    passed,
    seconds_histogram,
    undecided,
)

TIMEOUT_S = 20.0
ALONE = 16
"""Bursts without the baseline's.

A guess for each fourth row beyond the 32nd makes 60 scores of 1,024 far from the truth.
"""


class TailParams(Params):
    threshold: float
    times: float
    burst: int = 64
    seconds: float = 2.5
    rounds: int = 3
    most_rounds: int = 7


class Tail(Check):
    """Both sides get the same bursts, request by request in turn.

    Every round begins with empty queues.
    """

    id = "tail"
    params_model = TailParams
    params: TailParams

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        p, own = self.params, await quiet(ctx)
        self._rows = Rows(await world(ctx), ctx.rng("tail"))
        rule = Rule(
            op="at_most",
            threshold=p.threshold,
            unit="ratio",
            text=f"at most {p.threshold:g} × the baseline's median",
        )
        rate = p.times * (ctx.shared.get("r_rate") or await self._capacity(ctx))
        ratios: list[float] = []
        kept: tuple[list[float], list[float]] = ([], [])
        while len(ratios) < p.most_rounds:
            requests, seen = await self._round(ctx, rate)
            if bad := await self._lost(ctx, requests, seen, rule):
                return bad
            middle = [seen.percentile(50, side) for side in (0, 1)]
            for side in (0, 1):
                kept[side].extend(seen.of(side).latency_s)
            ratios.append(middle[0] / middle[1])
            if len(ratios) >= p.rounds and (
                max(ratios) <= p.threshold or min(ratios) > p.threshold
            ):
                break
        if bad := await self._alone(ctx, rule) or guessed(self._rows, own, UNDECIDED, rule):
            return bad
        return self._say(ratios, kept, rule)

    async def _capacity(self, ctx: Context) -> float:
        """Rows per second that the baseline scores at 32 clients."""
        rows = Rows(await world(ctx), ctx.rng("capacity"))
        async with ClosedLoop(r(ctx), 32) as loop:
            return (await loop.slice(lambda _: rows.request(judged=False), 0, 1.0)).rate

    async def _round(self, ctx: Context, rate: float) -> tuple[list[Request], Samples]:
        """Bursts of ``burst`` rows for each side, on average ``rate`` rows a second for each."""
        p = self.params
        offsets = array("d")
        for number in range(max(2, round(p.seconds * rate / p.burst))):
            offsets.extend(number * p.burst / rate for _ in range(2 * p.burst))
        rows = [
            (self._rows.request(), self._rows.request(judged=False))
            for _ in range(len(offsets) // 2)
        ]
        requests = [request for pair in rows for request in pair]
        seen = await attack(
            (ctx.app, r(ctx)),
            Schedule(offsets, f"bursts of {p.burst}"),
            requests.__getitem__,
            connections=p.burst,
            timeout_s=TIMEOUT_S,
        )
        return requests, seen

    async def _alone(self, ctx: Context, rule: Rule) -> Measurement | None:
        """Bursts for the learner's service only, of rows whose truth is known.

        The baseline's rows between them would thin the queue out, and who guesses when it is long would hardly
        be seen.
        """
        for _ in range(ALONE):
            requests = [self._rows.request(known=True) for _ in range(self.params.burst)]
            schedule = Schedule(array("d", bytes(8 * len(requests))), f"{len(requests)} at once")
            target = requests.__getitem__
            seen = await attack(
                (ctx.app,), schedule, target, connections=len(requests), timeout_s=TIMEOUT_S
            )
            if bad := await self._lost(ctx, requests, seen, rule):
                return bad
        return None

    async def _lost(
        self, ctx: Context, requests: list[Request], seen: Samples, rule: Rule
    ) -> Measurement | None:
        """A failure when the learner's service left a request without a right answer."""
        lost = [i for i, said in enumerate(seen.error) if said and seen.side[i] == 0]
        if not lost:
            return None
        sent = sum(side == 0 for side in seen.side)
        message = (
            f"In bursts of {self.params.burst}, {len(lost)} of {sent} requests failed: "
            f"{seen.error[lost[0]]}."
        )
        measured = Measured(
            value=len(lost), unit="requests", n=sent, text=f"{len(lost)} requests lost"
        )
        return failed(
            message, measured, rule, QUEUE_ADVICE, await again(ctx, requests[seen.index[lost[0]]])
        )

    def _say(
        self, ratios: list[float], kept: tuple[list[float], list[float]], rule: Rule
    ) -> Measurement:
        limit = self.params.threshold
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        text = f"{middle:.2f} × the baseline's median [{low:.2f}, {high:.2f}], n = {len(ratios)} rounds"
        measured = Measured(
            value=round(middle, 3), unit="ratio", low=low, high=high, n=len(ratios), text=text
        )
        ms = [statistics.median(side) * 1000 for side in kept]
        message = (
            f"In bursts that the baseline can't keep up with, half waited under {ms[0]:.0f} ms; there, "
            f"{ms[1]:.0f} ms."
        )
        series = [
            seconds_histogram(
                f"Latency in bursts at {self.params.times:g} × the baseline's capacity",
                *kept,
                threshold=ms[1] / 1000 * limit,
                summary=message,
            )
        ]
        beyond = sum(ratio > limit for ratio in ratios)
        if beyond <= len(ratios) // 5:
            return passed(message, measured, rule, series=series)
        if beyond >= len(ratios) - len(ratios) // 5:
            return failed(message, measured, rule, QUEUE_ADVICE, series=series)
        return undecided(message, measured, rule, series)


QUEUE_ADVICE = (
    "Let a burst wait in the queue and take it in batches: it is over sooner than a client would "
    "retry."
)
