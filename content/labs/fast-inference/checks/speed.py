"""How much gets done at 32 clients, and how long a single client waits."""

from __future__ import annotations

import math
import statistics
import time

from lab_checks.asking import FAR, JSON, OF_QUIET, Quiet, Rows, quiet, r, world
from lab_checks.install import installed

from grader.lab_api import (
    Check,
    ClosedLoop,
    Context,
    Decision,
    Measurement,
    Outcome,
    Params,
    PartyFailed,
    Plan,
    Request,
    Response,
    Rule,
    Series,
    Slice,
    Wrong,
    compare,
    decide,
    failed,
    next_look,
    passed,
    ratio_measured,
    ratio_rule,
    seconds_histogram,
    undecided,
)

UNDECIDED = Decision(None, 1.0, 0.0, math.inf, 0)
TRUE_ADVICE = (
    "An answer under load has to be computed like any other: no guess, no old answer, nobody "
    "else's."
)


async def again(ctx: Context, request: Request) -> Response:
    """A request once more, to have an exchange to show."""
    return await ctx.app.request(
        "POST", request.path, body=request.body, headers=JSON, timeout_s=10
    )


def guessed(rows: Rows, own: Quiet, decision: Decision, rule: Rule) -> Measurement | None:
    """A failure when decisions or scores under load are worse than quiet ones."""
    if rows.tally.invents(own.far):
        message = (
            f"Under load {rows.tally.far} of {rows.tally.total} scores lay more than {FAR:g} from "
            "fp32's; asked one by "
            f"one, {own.far:.1%} do."
        )
        return failed(message, ratio_measured(decision), rule, TRUE_ADVICE)
    if not rows.tally.guesses(own.agree):
        return None
    message = (
        f"Under load {rows.tally.share:.0%} of {rows.tally.total} decisions were right; "
        f"asked one by one, {own.agree:.0%} are. At least {OF_QUIET:g} of that is needed."
    )
    return failed(message, ratio_measured(decision), rule, TRUE_ADVICE)


class ThroughputParams(Params):
    threshold: float
    clients: int = 32
    slice_s: float = 0.5
    budget_s: float = 90.0
    """Beside busy neighbours a pair of slices takes 2 s, and 20 pairs may not tell.

    40 do; beginning anew doesn't.
    """


class Throughput(Check):
    """Closed loop, slices alternating between the sides; decisions are held against the truth on
    the way.
    """

    id = "throughput"
    params_model = ThroughputParams
    params: ThroughputParams

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        p, made, own = self.params, await world(ctx), await quiet(ctx)
        self._rows = [Rows(made, ctx.rng(f"throughput {side}")) for side in (0, 1)]
        self._rates: tuple[list[float], list[float]] = ([], [])
        self._wrong: tuple[int, Request, Wrong] | None = None
        async with ClosedLoop(ctx.app, p.clients) as app, ClosedLoop(r(ctx), p.clients) as theirs:
            decision = await self._decide((app, theirs))
        ctx.shared["r_rate"] = statistics.median(self._rates[1]) if self._rates[1] else 0.0
        return await self._say(ctx, decision, own)

    async def _decide(self, loops: tuple[ClosedLoop, ClosedLoop]) -> Decision:
        decision, until = UNDECIDED, time.perf_counter() + self.params.budget_s
        rates = self._rates
        if not await self._pair(loops, keep=False):
            return decision
        while decision.outcome is None and (look := next_look(len(rates[0]))) is not None:
            while len(rates[0]) < look:
                if time.perf_counter() > until or not await self._pair(loops):
                    return decision
            logs = [math.log(mine / theirs) for mine, theirs in zip(*rates, strict=True)]
            decision = decide(logs, self.params.threshold, "at_least")
        return decision

    async def _pair(self, loops: tuple[ClosedLoop, ClosedLoop], *, keep: bool = True) -> bool:
        """One slice on each side. False when a side gave an answer of the wrong form."""
        got: list[Slice] = []
        for side, loop in enumerate(loops):
            sent: list[Request] = []

            def make(
                _number: int, rows: Rows = self._rows[side], sent: list[Request] = sent
            ) -> Request:
                sent.append(rows.request())
                return sent[-1]

            seen = await loop.slice(make, 0, self.params.slice_s)
            if seen.wrong is not None:
                self._wrong = (side, sent[min(seen.wrong.number, len(sent) - 1)], seen.wrong)
                return False
            got.append(seen)
        if keep:
            for kept, seen in zip(self._rates, got, strict=True):
                kept.append(seen.rate)
        return True

    async def _say(self, ctx: Context, decision: Decision, own: Quiet) -> Measurement:
        measured, rule = ratio_measured(decision), ratio_rule(self.params.threshold, "at_least")
        if self._wrong is not None:
            side, request, (_, said, unanswered) = self._wrong
            if side == 1:
                return undecided(f"The baseline itself failed under load: {said}.", measured, rule)
            message, shown = (
                f"At {self.params.clients} clients, POST /score {said}.",
                await again(ctx, request),
            )
            return failed(message, measured, rule, TRUE_ADVICE, shown, unanswered=unanswered)
        if bad := guessed(self._rows[0], own, decision, rule):
            return bad
        mine, theirs = (statistics.fmean(side or [0.0]) for side in self._rates)
        message = f"{mine:.0f} rows a second at {self.params.clients} clients; the baseline scored {theirs:.0f}."
        series = [
            Series(
                kind="histogram",
                title=f"Rows per second at {self.params.clients} clients",
                unit="1/s",
                app=self._rates[0],
                baseline=self._rates[1],
                threshold=theirs * self.params.threshold,
                summary=message,
            )
        ]
        if decision.outcome is Outcome.PASSED:
            return passed(message, measured, rule, series=series)
        if decision.outcome is Outcome.FAILED:
            return failed(message, measured, rule, BATCH_ADVICE, series=series)
        return undecided(message, measured, rule, series)


class SingleParams(Params):
    threshold: float
    utilisation: float = 0.25
    per_window: int = 10


class Single(Check):
    """p50 of requests that come one at a time, alternating with the baseline's."""

    id = "single"
    params_model = SingleParams
    params: SingleParams

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        p, made, own = self.params, await world(ctx), await quiet(ctx)
        rule = ratio_rule(p.threshold, "at_most")
        rows = Rows(made, ctx.rng("single"))
        cost = statistics.median(
            [await _seconds(ctx, Rows(made, ctx.rng(f"cost {n}")).request()) for n in range(12)]
        )
        plan = Plan(p.threshold, "at_most", 2 * p.utilisation / cost, p.per_window, warm_s=1.0)
        # The same row goes to both sides; the tally counts the baseline's decisions, too, which are right.
        many = [rows.request() for _ in range(int(plan.rate * 40))]
        seen = await compare((ctx.app, r(ctx)), lambda pair: many[pair % len(many)], plan)
        measured = ratio_measured(seen.decision)
        if seen.wrong is not None:
            side, pair, said, unanswered = seen.wrong
            if side == 1:
                return undecided(f"The baseline itself failed: {said}.", measured, rule)
            shown = await again(ctx, many[pair % len(many)])
            return failed(
                f"POST /score {said}.", measured, rule, TRUE_ADVICE, shown, unanswered=unanswered
            )
        if bad := guessed(rows, own, seen.decision, rule):
            return bad
        if seen.client_failed or not seen.log_ratios:
            return undecided("The load generator could not keep to its schedule.", measured, rule)
        mine, theirs = (statistics.median(side) * 1000 for side in seen.values)
        message = (
            f"One client waits {mine:.1f} ms in the median; the baseline needs {theirs:.1f} ms."
        )
        series = [
            seconds_histogram(
                "Latency of single requests",
                *seen.values,
                threshold=theirs / 1000 * p.threshold,
                summary=message,
            )
        ]
        if seen.decision.outcome is Outcome.PASSED:
            return passed(message, measured, rule, series=series)
        if seen.decision.outcome is Outcome.FAILED:
            return failed(message, measured, rule, WAIT_ADVICE, series=series)
        return undecided(message, measured, rule, series)


async def _seconds(ctx: Context, request: Request) -> float:
    response = await r(ctx).request(
        "POST", request.path, body=request.body, headers=JSON, timeout_s=20
    )
    if not response.ok:
        raise PartyFailed(f"the baseline answered {response.status} {response.error}")
    return response.total_s


BATCH_ADVICE = (
    "Score many rows in one step of the model: let rows queue up while one batch is computed, and "
    "take all of them "
    "into the next. int8 alone makes one row faster, but the weights are still read once for every "
    "row."
)
WAIT_ADVICE = (
    "Start a batch as soon as the model is free, with whatever waits. A timer that waits for "
    "company makes everybody "
    "pay when nobody else is there."
)
