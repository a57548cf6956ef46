"""The checks of ratios against a small service on this machine, and against one that is slow."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest
from small_service import Keyed, Service, Slow, case, context

from grader.checks import latency, throughput
from grader.checks.latency import LatencyParams, LatencyRatio
from grader.checks.throughput import ThroughputParams, ThroughputRatio
from grader.http.client import Target
from grader.load import compare
from grader.load.calibrate import Calibration
from grader.result import Outcome


@pytest.mark.parametrize(
    ("service", "outcome"), [(Service, Outcome.PASSED), (Slow, Outcome.FAILED)]
)
async def test_latency_ratio(
    service: type[Service], outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {
        "cases": [case()],
        "threshold": 3.0,
        "rate_per_s": 100,
        "per_window": 4,
        "warm_s": 0.1,
    }
    monkeypatch.setattr(compare, "MIN_WINDOW_S", 0.08)
    monkeypatch.setattr(compare, "LATE_S", 1.0)  # a busy machine is another test's matter
    with context(service) as ctx:
        found = await LatencyRatio(LatencyParams.model_validate(params)).run(ctx)
    assert found.outcome is outcome, found.message


async def test_a_rate_beyond_the_load_generator_is_void_and_nobodys_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[tuple[float, ...]] = []

    async def calibrated(rates: tuple[float, ...]) -> Calibration:
        tried.append(rates)
        return Calibration(900, 0.001, 0.002)

    monkeypatch.setattr(latency, "calibrate", calibrated)
    params = {"cases": [case()], "threshold": 3.0, "rate_per_s": 500}
    with context(Slow) as ctx:
        found = await LatencyRatio(LatencyParams.model_validate(params)).run(ctx)
    assert tried == [(500, 1000)]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "can't keep 500 requests" in found.message


@pytest.mark.parametrize(
    ("service", "outcome"), [(Service, Outcome.PASSED), (Slow, Outcome.FAILED)]
)
async def test_throughput_ratio(service: type[Service], outcome: Outcome) -> None:
    params = {"cases": [case()], "threshold": 0.5, "clients": 2, "slice_s": 0.06}
    with context(service) as ctx:
        found = await ThroughputRatio(ThroughputParams.model_validate(params)).run(ctx)
    assert found.outcome is outcome, found.message


@pytest.mark.parametrize(
    ("budget_s", "pairs", "said"),
    [(0.5, 0, "nothing measured yet"), (3.5, 3, "too few for an interval")],
)
async def test_a_budget_that_ends_before_the_first_look_is_undecided(
    monkeypatch: pytest.MonkeyPatch, budget_s: float, pairs: int, said: str
) -> None:
    # A clock of one second per look at it: a machine that stalls changes nothing.
    seconds = count()
    monkeypatch.setattr(
        throughput, "time", SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    )
    params = {
        "cases": [case()],
        "threshold": 0.5,
        "clients": 2,
        "slice_s": 0.06,
        "budget_s": budget_s,
    }
    with context(Service) as ctx:
        found = await ThroughputRatio(ThroughputParams.model_validate(params)).run(ctx)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert said in found.measured.text
    assert found.measured.n == pairs
    assert (found.measured.value is not None) is bool(pairs)
    assert found.measured.high is None


async def test_only_the_baseline_gets_its_key() -> None:
    params = {"cases": [case()], "threshold": 0.5, "clients": 2, "slice_s": 0.06}
    with context(Service, Keyed) as ctx:
        found = await ThroughputRatio(ThroughputParams.model_validate(params)).run(ctx)
        assert found.outcome is Outcome.PASSED, found.message
    with context(Keyed, Keyed) as ctx:
        found = await ThroughputRatio(ThroughputParams.model_validate(params)).run(ctx)
    assert found.outcome is Outcome.FAILED
    assert "answered 403" in found.message


async def test_a_service_that_dies_under_load_fails() -> None:
    with context(Service) as ctx:
        ctx.app = Target("app", "127.0.0.1", 9)
        params = LatencyParams.model_validate({"cases": [case()], "threshold": 1.0, "warm_s": 0.1})
        found = await LatencyRatio(params).run(ctx)
    assert found.outcome is Outcome.FAILED
    assert "could not connect" in found.message
