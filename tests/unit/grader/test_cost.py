"""Cost bricks: money per correct answer, honest caches, budgets, and what the engine says of CPU
and memory.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import find
from grader.checks.cost import (
    Bill,
    Hit,
    PeakMemory,
    PeakMemoryParams,
    budget_kept,
    cache_hits,
    calls_beyond,
    cost_per_correct,
    per_thousand,
    read_bill,
    read_resources,
)
from grader.result import Outcome

LARGE = Bill(requests=100, cost_micro=100_000)


def test_cheap_wrong_answers_do_not_help() -> None:
    cheap = Bill(requests=100, cost_micro=30_000)
    assert cost_per_correct(cheap, 100, LARGE, 100, at_most=0.4).outcome is Outcome.PASSED
    half_wrong = cost_per_correct(cheap, 50, LARGE, 100, at_most=0.4)
    assert half_wrong.outcome is Outcome.FAILED
    assert half_wrong.measured.value == 0.6
    assert half_wrong.advice


def test_no_correct_answer_fails_and_has_no_price() -> None:
    found = cost_per_correct(Bill(), 0, LARGE, 100, at_most=0.4)
    assert found.outcome is Outcome.FAILED
    assert found.measured.value is None
    assert per_thousand(LARGE, 0) == float("inf")
    assert per_thousand(LARGE, 50) == 2_000_000


def test_a_reference_that_paid_nothing_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="cost and correct answers"):
        cost_per_correct(Bill(), 1, Bill(), 100, at_most=0.4)


def test_bills_add_up_and_subtract() -> None:
    one = Bill(1, 20, 3, 32)
    assert one + one == Bill(2, 40, 6, 64)
    assert (one + Bill(5, 1, 1, 5)).since(one) == Bill(5, 1, 1, 5)


def hits(cached_right: int, cached_wrong: int, missed: int) -> list[Hit]:
    return [
        *(Hit(f"right {n}", True, True) for n in range(cached_right)),
        *(Hit(f"wrong {n}", True, False) for n in range(cached_wrong)),
        *(Hit(f"missed {n}", False, True) for n in range(missed)),
    ]


def test_a_cache_is_judged_by_hits_and_by_lies() -> None:
    assert cache_hits(hits(50, 0, 50), 0.4, 0.01).outcome is Outcome.PASSED
    few = cache_hits(hits(20, 0, 80), 0.4, 0.01)
    assert few.outcome is Outcome.FAILED
    assert "20 of 100" in few.message
    lies = cache_hits(hits(80, 10, 10), 0.4, 0.01)
    assert lies.outcome is Outcome.FAILED
    assert "'wrong 0'" in lies.message
    assert cache_hits(hits(0, 0, 5), 0.0, 0.0).outcome is Outcome.PASSED
    with pytest.raises(ValueError, match="no questions"):
        cache_hits([], 0.4, 0.01)


def row(cost: int, end: float | None) -> dict[str, Any]:
    return {"cost_micro": cost, "end": end}


def test_a_budget_is_kept_to_the_micro_unit() -> None:
    rows = [row(40, 1.0), row(60, 2.0)]
    assert budget_kept(rows, 100, 0.9).outcome is Outcome.PASSED
    over = budget_kept([*rows, row(1, 3.0), row(0, 4.0)], 100)
    assert over.outcome is Outcome.FAILED
    assert "1 micro-units" in over.message
    assert "by 1 calls" in over.message
    stingy = budget_kept([row(10, 1.0)], 100, 0.9)
    assert stingy.outcome is Outcome.FAILED
    assert "10%" in stingy.message
    with pytest.raises(ValueError, match="positive"):
        budget_kept([], 0)


def test_calls_beyond_the_budget_are_counted_in_order_of_their_end() -> None:
    assert calls_beyond([row(60, None), row(60, 1.0), row(50, 2.0)], 100) == 2
    assert calls_beyond([row(60, 1.0)], 100) == 0


class Engine:
    """A context whose control channel answers from a table."""

    replicas = ("app-1", "app-2")

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        if action == "usage":
            return {
                "cpu_s": 1.5,
                "memory_peak_bytes": {"app-1": 50 << 20, "app-2": 90 << 20}[party],
            }
        assert args["payload"]["command"] == "ledger"
        totals = {
            "requests": 2,
            "prompt_tokens": 20,
            "completion_tokens": 4,
            "cost_micro": 36,
            "answered": 2,
        }
        return {"totals": totals, "rows": [], "next": 0, "more": False}


def test_bills_and_resources_are_sums_over_parties() -> None:
    ctx: Any = Engine()
    assert asyncio.run(read_bill(ctx, ("north", "south"))) == Bill(4, 40, 8, 72)
    found = asyncio.run(read_resources(ctx, Engine.replicas))
    assert (found.cpu_s, found.memory_peak_bytes) == (3.0, 140 << 20)


@pytest.mark.parametrize(("bound", "outcome"), [(80, Outcome.FAILED), (100, Outcome.PASSED)])
def test_the_peak_of_the_largest_copy_is_judged(bound: float, outcome: Outcome) -> None:
    assert find("peak_memory") is PeakMemory
    ctx: Any = SimpleNamespace(control=Engine().control, replicas=Engine.replicas)
    found = asyncio.run(PeakMemory(PeakMemoryParams(at_most_mb=bound)).run(ctx))
    assert found.outcome is outcome
    assert found.measured.value == 90
