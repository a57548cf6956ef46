"""Schedules: how many requests, when, and the same again for the same seed."""

from __future__ import annotations

import random

import pytest

from grader.load.pacer import constant, poisson, ramp, step


def test_constant_is_evenly_spaced_and_has_the_right_count() -> None:
    schedule = constant(200, 20)
    assert len(schedule) == 4000
    assert schedule.offsets[0] == 0
    assert schedule.offsets[1] == pytest.approx(0.005)
    assert schedule.seconds == pytest.approx(19.995)
    assert len(constant(0.7, 10)) == 7


def test_poisson_is_seeded_and_has_the_rate_and_the_spread_of_independent_arrivals() -> None:
    one, same, other = (poisson(500, 20, random.Random(seed)) for seed in (1, 1, 2))
    assert one.offsets == same.offsets
    assert one.offsets != other.offsets
    assert list(one.offsets) == sorted(one.offsets)
    assert one.seconds < 20
    assert 9600 < len(one) < 10400  # 10,000 with a standard deviation of 100
    gaps = [b - a for a, b in zip(one.offsets, one.offsets[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert 0.9 < variance**0.5 / mean < 1.1  # exponential gaps spread as widely as their mean


@pytest.mark.parametrize(("low", "high"), [(0, 200), (100, 300), (300, 100), (50, 50)])
def test_ramp_reaches_the_area_under_the_rate(low: float, high: float) -> None:
    schedule = ramp(low, high, 10)
    assert len(schedule) == (low + high) / 2 * 10
    assert list(schedule.offsets) == sorted(schedule.offsets)
    assert schedule.seconds < 10
    first_half = sum(1 for at in schedule.offsets if at < 5)
    assert first_half == pytest.approx((low + (low + high) / 2) / 2 * 5, abs=2)


def test_step_puts_stages_one_after_the_other_and_a_rate_of_zero_is_a_pause() -> None:
    schedule = step([(10, 2), (0, 3), (100, 1)])
    assert len(schedule) == 120
    assert schedule.offsets[19] == pytest.approx(1.9)
    assert schedule.offsets[20] == pytest.approx(5.0)
    assert schedule.seconds == pytest.approx(5.99)


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(0, 10),
        lambda: constant(-5, 10),
        lambda: constant(10, 0),
        lambda: constant(1e9, 10),
        lambda: constant(float("nan"), 1),
        lambda: ramp(-1, 5, 3),
        lambda: step([]),
        lambda: poisson(1e9, 1e3, random.Random(0)),
    ],
)
def test_schedules_without_requests_or_with_too_many_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        make()
