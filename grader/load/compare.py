"""The latency of two sides as a ratio, decided by the sequential rule from windows of one
alternating stream.

Source: docs/grading.md, 'Noise' and 'The rule for a ratio'. Single requests alternate between the
sides, so whatever disturbs the machine disturbs both. Each window of the stream gives one log
ratio; ``grader.stats.ratio`` decides.
"""

from __future__ import annotations

import math
import statistics
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from grader.load.attack import attack
from grader.load.metrics import LATE_S, Samples, percentile
from grader.load.pacer import constant
from grader.load.pool import Side
from grader.load.targeter import Request, is_unanswered
from grader.result import Outcome
from grader.stats.ratio import Decision, decide, next_look

MIN_WINDOW_S = 0.5
VOID_SHARE = 0.2
"""More void windows than this: the generator did not keep time, and nothing can be said."""
LATE_SHARE = 0.2
"""A request that the generator itself sent late is left out, on whichever side it fell; a window
with more of them than this is void. (At 50 requests a window a p99 would be its one latest
request.)
"""
ENOUGH = 10
"""So many windows before the share of void ones means anything."""
Statistic = Literal["p50", "p95", "mean"]
Value = Literal["latency", "ttft"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to compare.

    ``rate``: requests per second of both sides together; ``per_window``: of each side.
    """

    threshold: float
    op: Literal["at_least", "at_most"]
    rate: float
    per_window: int
    statistic: Statistic = "p50"
    value: Value = "latency"
    warm_s: float = 2.0
    connections: int = 8
    timeout_s: float = 10.0
    budget_s: float = 60.0
    """No new look begins after this; what is undecided then is inconclusive."""

    @property
    def window_s(self) -> float:
        return max(MIN_WINDOW_S, 2 * self.per_window / self.rate)


class Wrong(NamedTuple):
    """The first request that failed: its side, the number of its pair, and what was wrong."""

    side: int
    pair: int
    said: str
    unanswered: bool


@dataclass(slots=True)
class Comparison:
    """What was seen.

    Side 0 is the learner's, side 1 the baseline's. ``values``: seconds, of right answers.
    """

    decision: Decision
    values: tuple[array[float], array[float]] = field(
        default_factory=lambda: (array("d"), array("d"))
    )
    windows: int = 0
    void: int = 0
    wrong: Wrong | None = None
    log_ratios: list[float] = field(default_factory=list)

    @property
    def client_failed(self) -> bool:
        """The load generator was the bottleneck, so the measurement is void."""
        return self.windows >= ENOUGH and self.void > VOID_SHARE * self.windows


async def compare(
    sides: Sequence[Side], requests: Callable[[int], Request], plan: Plan
) -> Comparison:
    """Measure until the rule decides.

    ``requests(pair)`` is sent to both sides, one after the other.

    Stops at the first wrong answer of either side; what a wrong answer means is for the caller to
    say.
    """
    assert len(sides) == 2
    out = Comparison(Decision(None, 1.0, 0.0, math.inf, 0))
    if plan.warm_s > 0:
        warm = await _stream(sides, requests, plan, plan.warm_s, 0)
        if _note_wrong(out, warm, 0):
            return out
    pair, spent = int(plan.warm_s * plan.rate / 2), 0.0
    while (look := next_look(len(out.log_ratios))) is not None and spent < plan.budget_s:
        seconds = (look - len(out.log_ratios)) * plan.window_s
        samples = await _stream(sides, requests, plan, seconds, pair)
        spent, begun, pair = spent + seconds, pair, pair + len(samples) // 2
        if _note_wrong(out, samples, begun):
            return out
        _add_windows(out, samples, plan)
        if out.client_failed:
            break
        out.decision = decide(out.log_ratios, plan.threshold, plan.op)
        if out.decision.outcome is not None:
            return out
    out.decision = _undecided(out.decision)
    return out


async def _stream(
    sides: Sequence[Side],
    requests: Callable[[int], Request],
    plan: Plan,
    seconds: float,
    first_pair: int,
) -> Samples:
    return await attack(
        sides,
        constant(plan.rate, seconds),
        lambda index: requests(first_pair + index // 2),
        connections=plan.connections,
        timeout_s=plan.timeout_s,
        streaming=plan.value == "ttft",
    )


def _note_wrong(out: Comparison, samples: Samples, first_pair: int) -> bool:
    for i, error in enumerate(samples.error):
        if error:
            pair = first_pair + samples.index[i] // 2
            out.wrong = Wrong(samples.side[i], pair, error, is_unanswered(samples.status[i]))
            return True
    return False


def _add_windows(out: Comparison, samples: Samples, plan: Plan) -> None:
    """One log ratio per window that is not void."""
    for window in samples.windows(plan.window_s):
        if len(window) < plan.per_window:
            continue  # the end of the stream
        out.windows += 1
        on_time = window.pick(i for i, lag_s in enumerate(window.lag_s) if lag_s <= LATE_S)
        if len(on_time) < (1 - LATE_SHARE) * len(window):
            out.void += 1
            continue
        mine, theirs = (_values(on_time, side, plan) for side in (0, 1))
        out.values[0].extend(mine)
        out.values[1].extend(theirs)
        out.log_ratios.append(math.log(_reduced(mine, plan) / _reduced(theirs, plan)))


def _values(window: Samples, side: int, plan: Plan) -> list[float]:
    column = window.ttft_s if plan.value == "ttft" else window.latency_s
    return [value for value, of in zip(column, window.side, strict=True) if of == side]


def _reduced(values: list[float], plan: Plan) -> float:
    if plan.statistic == "mean":
        return statistics.fmean(values)
    return percentile(values, 50 if plan.statistic == "p50" else 95)


def _undecided(decision: Decision) -> Decision:
    return Decision(Outcome.INCONCLUSIVE, decision.ratio, decision.low, decision.high, decision.n)
