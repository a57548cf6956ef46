"""Counters and the histogram of the first token, as Prometheus read them, against what the probe
and the model saw.
"""

from __future__ import annotations

from lab_checks.quiet import REQUESTS, TTFT, again, quiet, truth
from lab_checks.watch import Watch
from lab_checks.world import OUTCOMES, Phase

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Rule,
    counted,
    failed,
    passed,
    percentile,
    seconds_histogram,
    undecided,
)

BOUNDS = (0.02, 0.028, 0.04, 0.056, 0.08, 0.11, 0.16, 0.22, 0.32, 0.45, 0.64, 0.9, 1.3, 1.8, 2.5)
UNIT = "counters"


async def not_scraped(ctx: Context, rule: Rule) -> Measurement:
    """There are no numbers: because /metrics fails, or because Prometheus itself did not get to
    work.
    """
    text = Measured(text="not measured")
    if await Watch(ctx).in_vain():
        response = await ctx.app.request("GET", "/metrics", timeout_s=5)
        advice = "Answer GET /metrics within 0.9 s, in at most 4 MB and 20,000 samples."
        return failed(
            "Prometheus came to scrape, and /metrics gave it nothing.", text, rule, advice, response
        )
    return undecided("Prometheus did not come to scrape in time.", text, rule)


def unsound(phase: Phase) -> str:
    """Why the stretch says nothing about telemetry: requests without an answer as specified."""
    bad = [turn for turn in phase.traffic.turns if turn.outcome in ("", "malformed")]
    text = phase.samples.errors()
    return (
        f"{len(bad)} of {len(phase.traffic.turns)} requests got no answer as specified: {text}"
        if bad
        else ""
    )


class CountersParams(Params):
    tolerance: float = 0.02


class Counters(Check):
    id = "counters"
    params_model = CountersParams
    params: CountersParams

    async def run(self, ctx: Context) -> Measurement:
        rule = Rule(
            op="all", unit=UNIT, text=f"all {UNIT} within {self.params.tolerance:.0%} of the truth"
        )
        seen = await quiet(ctx)
        if seen is None:
            return await not_scraped(ctx, rule)
        lines, wrong = [], []
        for metric, expected in truth(seen.phase).items():
            label = "outcome" if metric == REQUESTS else "kind"
            for name, wanted in expected.items():
                got = seen.grown(metric).get(name, 0.0)
                lines.append((f'{metric}{{{label}="{name}"}}', got, wanted))
                if abs(got - wanted) > max(1.0, self.params.tolerance * wanted):
                    wrong.append(
                        f'{metric}{{{label}="{name}"}} grew by {got:g}, the truth is {wanted:g}'
                    )
        for name, got in seen.grown(REQUESTS).items():
            if name not in OUTCOMES and got > 1:
                wrong.append(
                    f"{REQUESTS} has outcomes that the brief doesn't know: {name[:40]!r} grew by "
                    f"{got:g}"
                )
        measured = counted(max(0, len(lines) - len(wrong)), len(lines), UNIT)
        data = {"counters": [{"counter": c, "grew": g, "truth": t} for c, g, t in lines]}
        if not wrong:
            return passed("Every counter grew by what happened.", measured, rule, data=data)
        if said := unsound(seen.phase):
            wrong.append(said)
        advice = (
            "Count every request that was taken on exactly once, when it ends, by how it ended: "
            "also those that fail "
            "before the first token, but none that is refused with 4xx. Tokens are those of the "
            "usage that the model "
            "bills, not the pieces of the stream."
        )
        return failed(f"{wrong[0]}.", measured, rule, advice, data=data)


class FirstToken(Check):
    """Median and p95 of the learner's histogram lie in the bucket of the truth, or in one beside
    it.

    A busy machine brings the p95 of the first token near that of the whole answer; the medians stay
    apart.
    """

    id = "first-token"

    async def run(self, ctx: Context) -> Measurement:
        rule = Rule(
            op="at_most",
            threshold=1,
            unit="buckets",
            text="median and p95 at most one bucket from the truth",
        )
        seen = await quiet(ctx)
        if seen is None:
            return await not_scraped(ctx, rule)
        true_times = seen.phase.ttft_s
        if not true_times:
            text = Measured(text="no request got a token")
            return failed(unsound(seen.phase), text, rule, "Make the app answer first.")
        grown = by_bound(seen.grown(TTFT))
        missing = [bound for bound in BOUNDS if bound not in grown]
        advice = (
            "Make assistant_ttft_seconds a histogram with the bounds of the brief, observed once "
            "for each request that "
            "gets a token, from the arrival of the request to its first token."
        )
        if missing:
            what = (
                f"has no bucket le={missing[0]:g}" if len(missing) < len(BOUNDS) else "is not there"
            )
            return failed(
                f"assistant_ttft_seconds {what}.", Measured(text="no such histogram"), rule, advice
            )
        total = grown.get(float("inf"), 0.0)
        if not 0.9 * len(true_times) <= total <= 1.1 * len(true_times):
            message = (
                f"It took {total:g} observations where {len(true_times)} requests got a token."
            )
            return failed(
                message, Measured(value=total, unit="observations", text=f"{total:g}"), rule, advice
            )
        apart, which, own = max(self._apart(grown, total, true_times, share) for share in (50, 95))
        measured = Measured(
            value=apart, unit="buckets", n=len(true_times), text=f"buckets apart: {apart}"
        )
        truth_s = percentile(true_times, which)
        message = f"The histogram puts p{which} {between(own)}; the probe saw {truth_s:.3f} s."
        series = [
            seconds_histogram(
                "Time to the first token, as the probe saw it",
                true_times,
                threshold=BOUNDS[min(own, len(BOUNDS) - 1)],
                summary=message,
            )
        ]
        if apart <= 1:
            return passed(message, measured, rule, series=series)
        if seen.phase.samples.client_was_late():
            again(ctx)
            return undecided(message, measured, rule, series)
        return failed(message, measured, rule, advice, series=series)

    @staticmethod
    def _apart(
        grown: dict[float, float], total: float, true_times: list[float], which: int
    ) -> tuple[int, int, int]:
        """(buckets between the histogram's percentile and the truth's, the percentile, the
        histogram's bucket).
        """
        own = next(
            (i for i, bound in enumerate(BOUNDS) if grown[bound] >= which / 100 * total),
            len(BOUNDS),
        )
        return abs(own - bucket_of(percentile(true_times, which))), which, own


def by_bound(grown: dict[str, float]) -> dict[float, float]:
    """Upper bound -> growth. The labels are the learner's: whatever is no number is left out."""
    found = {}
    for text, value in grown.items():
        try:
            found[float(text)] = value
        except ValueError:
            continue
    return found


def bucket_of(seconds: float) -> int:
    """The index of the first bound that is not below; len(BOUNDS) beyond the last."""
    return next((i for i, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))


def between(index: int) -> str:
    """The bucket in words."""
    if index == len(BOUNDS):
        return f"above {BOUNDS[-1]:g} s"
    return f"between {BOUNDS[index - 1] if index else 0:g} and {BOUNDS[index]:g} s"
