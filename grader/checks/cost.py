"""What answers cost: money by the model gateways' ledgers, CPU and memory by the engine.

Bricks for the checks of labs that judge cost. A lab reads a ``Bill`` before and after its load,
counts which answers were right, and lets ``cost_per_correct``, ``cache_hits`` or ``budget_kept``
make the Measurement. Nothing here believes what the learner's service says of its own cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.outcome import failed, passed
from grader.result import Measured, Measurement, Rule

THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Bill:
    """Sums over ledgers since their last reset. Money in micro-units."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micro: int = 0

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost_micro + other.cost_micro,
        )

    def since(self, earlier: Bill) -> Bill:
        """What was added after ``earlier`` was read."""
        return Bill(
            self.requests - earlier.requests,
            self.prompt_tokens - earlier.prompt_tokens,
            self.completion_tokens - earlier.completion_tokens,
            self.cost_micro - earlier.cost_micro,
        )


async def read_bill(ctx: Context, gateways: Iterable[str]) -> Bill:
    """The bill of all these model-gateway sidecars together. Raises ControlError."""
    total = Bill()
    for name in gateways:
        reply = await ctx.control("command", name, payload={"command": "ledger", "limit": 1})
        sums = reply["totals"]
        total += Bill(
            sums["requests"], sums["prompt_tokens"], sums["completion_tokens"], sums["cost_micro"]
        )
    return total


def per_thousand(bill: Bill, correct: int) -> float:
    """Micro-units of money per thousand correct answers; infinite when none was correct."""
    return bill.cost_micro * THOUSAND / correct if correct else float("inf")


def cost_per_correct(
    bill: Bill, correct: int, against: Bill, against_correct: int, at_most: float
) -> Measurement:
    """The cost of a thousand correct answers as a ratio to what another system (e.g. always the
    large model) pays.

    Dividing by correct answers means that cheap wrong answers do not help. Raises ValueError when
    the other system paid nothing or had no correct answer: then there is nothing to compare with.
    """
    reference = per_thousand(against, against_correct)
    if not 0 < reference < float("inf"):
        raise ValueError("the system to compare with needs a cost and correct answers")
    own = per_thousand(bill, correct)
    rule = Rule(
        op="at_most",
        threshold=at_most,
        unit="ratio",
        text=f"at most {at_most:g} x the reference's cost",
    )
    if not correct:
        measured = Measured(unit="ratio", n=bill.requests, text="no correct answer")
        return failed(
            "No answer was correct, so nothing can be said of its price.",
            measured,
            rule,
            RIGHT_FIRST,
        )
    ratio = own / reference
    text = (
        f"{ratio:.2f} x the reference ({own:.0f} against {reference:.0f} micro-units per thousand "
        "correct answers)"
    )
    measured = Measured(value=round(ratio, 4), unit="ratio", n=correct, text=text)
    if ratio <= at_most:
        return passed("Correct answers came at the price they may have.", measured, rule)
    message = (
        f"A thousand correct answers cost {own:.0f} micro-units, {ratio:.2f} times what the "
        "reference pays."
    )
    return failed(message, measured, rule, CHEAPER)


@dataclass(frozen=True, slots=True)
class Hit:
    """One question that could be answered from a cache: whether it was (no call in the ledger), and
    rightly.
    """

    question: str
    cached: bool
    right: bool


def cache_hits(hits: Sequence[Hit], at_least: float, wrong_at_most: float) -> Measurement:
    """The share of questions answered from the cache, and the share of those answers that is wrong.

    The rule that breaks first is reported: a cache that lies is worse than one that misses. Raises
    ValueError when there are no questions.
    """
    if not hits:
        raise ValueError("there are no questions")
    cached = [hit for hit in hits if hit.cached]
    lies = [hit for hit in cached if not hit.right]
    share, wrong = len(cached) / len(hits), len(lies) / max(1, len(cached))
    words = f"at least {at_least:g} from the cache, at most {wrong_at_most:g} of them wrong"
    rule = Rule(op="at_least", threshold=at_least, unit="share", text=words)
    text = f"{len(cached)} of {len(hits)} from the cache, {len(lies)} of them wrong"
    measured = Measured(value=round(share, 4), unit="share", n=len(hits), text=text)
    if wrong > wrong_at_most:
        message = (
            f"{len(lies)} of {len(cached)} cached answers are wrong, e.g. for "
            f"{lies[0].question[:200]!r}."
        )
        return failed(message, measured, rule, EXACT_SLOTS)
    if share >= at_least:
        return passed(
            "Repeated questions cost nothing, and their answers are right.", measured, rule
        )
    message = (
        f"Only {len(cached)} of {len(hits)} repeated questions were answered without asking a "
        "model."
    )
    return failed(message, measured, rule, SHARED_CACHE)


def budget_kept(
    rows: Sequence[dict[str, Any]], budget_micro: int, at_least: float = 0.0
) -> Measurement:
    """Whether the ledger's spending stayed within the budget at every moment, under whatever load
    there was.

    ``rows``: the ledger rows that count against the budget. ``at_least``: the share of the budget
    that must have been
    spent, so that refusing everything does not pass. Raises ValueError for a budget that is not
    positive.
    """
    if budget_micro <= 0:
        raise ValueError("a budget is positive")
    spent = sum(row["cost_micro"] for row in rows)
    share = spent / budget_micro
    rule = Rule(
        op="at_most",
        threshold=1,
        unit="share",
        text=f"between {at_least:g} and 1 of the budget, never above",
    )
    text = f"{spent} of {budget_micro} micro-units spent"
    measured = Measured(value=round(share, 4), unit="share", n=len(rows), text=text)
    if spent > budget_micro:
        after = calls_beyond(rows, budget_micro)
        message = (
            f"{spent - budget_micro} micro-units were spent beyond the budget, by {after} calls."
        )
        return failed(message, measured, rule, RESERVE)
    if share >= at_least:
        return passed("Spending stayed within the budget.", measured, rule)
    message = (
        f"Only {share:.0%} of the budget was spent, and requests that it would have paid for got "
        "nothing."
    )
    return failed(message, measured, rule, "Refuse only what the rest of the budget can't pay.")


def calls_beyond(rows: Iterable[dict[str, Any]], budget_micro: int) -> int:
    """How many calls, in order of their end, were paid for with money that the budget did not
    have.
    """
    spent = beyond = 0
    for row in sorted(
        rows, key=lambda each: each["end"] if each["end"] is not None else float("inf")
    ):
        spent += row["cost_micro"]
        beyond += bool(row["cost_micro"]) and spent > budget_micro
    return beyond


@dataclass(frozen=True, slots=True)
class Resources:
    """What the engine says about a deployment:

    CPU seconds since its start, and the sum of the copies' peaks.
    """

    cpu_s: float
    memory_peak_bytes: int


async def read_resources(ctx: Context, parties: Iterable[str]) -> Resources:
    """CPU and peak memory of these containers together. Raises ControlError."""
    usages = [await ctx.control("usage", party) for party in parties]
    return Resources(sum(u["cpu_s"] for u in usages), sum(u["memory_peak_bytes"] for u in usages))


class PeakMemoryParams(Params):
    at_most_mb: float = Field(
        gt=0, description="for each copy; below the limit, where the kernel would end it anyway"
    )


class PeakMemory(Check):
    """Peak memory of each copy of the learner's service so far, by the engine.

    Best put after the load.
    """

    id = "peak_memory"
    params_model = PeakMemoryParams
    params: PeakMemoryParams

    async def run(self, ctx: Context) -> Measurement:
        bound = self.params.at_most_mb
        peaks = {
            name: (await read_resources(ctx, (name,))).memory_peak_bytes / (1 << 20)
            for name in ctx.replicas
        }
        name, most = max(peaks.items(), key=lambda item: item[1])
        rule = Rule(
            op="at_most", threshold=bound, unit="MB", text=f"at most {bound:g} MB at the peak"
        )
        measured = Measured(
            value=round(most, 1), unit="MB", n=len(peaks), text=f"{most:.0f} MB at the peak"
        )
        if most <= bound:
            return passed("Memory stayed within its bound.", measured, rule)
        message = f"{name} took {most:.0f} MB at its peak."
        return failed(
            message,
            measured,
            rule,
            "Bound what is kept per request, and stream instead of collecting.",
        )


RIGHT_FIRST = "Make answers right first; then look at what they cost."
CHEAPER = (
    "Answer repeats from a cache, send short prompts, and ask the small model where it is good "
    "enough."
)
EXACT_SLOTS = (
    "A cached answer is for the same question: names, numbers and dates belong into the key as "
    "they are."
)
SHARED_CACHE = (
    "Keep answers under a key that paraphrases and repeats share, in a store that all copies see."
)
RESERVE = (
    "Reserve the most that a call can cost before making it, in one atomic step, and give back "
    "what was not used."
)
