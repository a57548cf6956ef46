"""When requests are due: schedules as plain lists of offsets, fixed before the first request is
sent.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_REQUESTS = 5_000_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """``offsets``: seconds from the start of the load at which each request is due, ascending."""

    offsets: array[float]
    name: str

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def seconds(self) -> float:
        """The offset of the last request; 0 when there is none."""
        return self.offsets[-1] if self.offsets else 0.0


def constant(rate: float, seconds: float) -> Schedule:
    """``rate`` requests a second, evenly spaced, for ``seconds``. Raises ValueError."""
    count = _count(rate * seconds)
    return Schedule(
        array("d", (i / rate for i in range(count))), f"constant {rate:g}/s for {seconds:g} s"
    )


def poisson(rate: float, seconds: float, rng: random.Random) -> Schedule:
    """Arrivals of independent users: exponential gaps with mean ``1 / rate``.

    The same ``rng`` gives the same list.
    """
    _count(rate * seconds)
    offsets = array("d")
    for at in poisson_offsets(rate, rng):
        if at >= seconds:
            break
        offsets.append(at)
    return Schedule(offsets, f"Poisson {rate:g}/s for {seconds:g} s")


def poisson_offsets(rate: float, rng: random.Random) -> Iterator[float]:
    """The same arrivals without an end."""
    at = rng.expovariate(rate)
    while True:
        yield at
        at += rng.expovariate(rate)


def ramp(rate_from: float, rate_to: float, seconds: float) -> Schedule:
    """A rate that grows (or falls) linearly.

    Request ``i`` is due when the area under the rate reaches ``i``.
    """
    if min(rate_from, rate_to) < 0 or seconds <= 0:
        raise ValueError("a ramp needs rates of at least 0 and a positive duration")
    slope = (rate_to - rate_from) / seconds
    count = _count((rate_from + rate_to) / 2 * seconds)
    # area(t) = rate_from * t + slope * t^2 / 2, solved for t in the form that stays exact when the
    # slope is near 0
    offsets = array(
        "d",
        (
            2 * i / (rate_from + math.sqrt(max(0.0, rate_from * rate_from + 2 * slope * i)))
            if i
            else 0.0
            for i in range(count)
        ),
    )
    return Schedule(offsets, f"ramp {rate_from:g} to {rate_to:g}/s in {seconds:g} s")


def step(stages: Sequence[tuple[float, float]]) -> Schedule:
    """Stages of (rate, seconds) one after the other; a rate of 0 is a pause."""
    offsets, began = array("d"), 0.0
    for rate, seconds in stages:
        count = _count(rate * seconds) if rate else 0
        offsets.extend(began + i / rate for i in range(count))
        began += seconds
    _count(len(offsets))
    return Schedule(
        offsets, "step " + ", ".join(f"{rate:g}/s for {seconds:g} s" for rate, seconds in stages)
    )


def _count(requests: float) -> int:
    """A whole number of requests.

    Raises ValueError when it is none, or too many to keep in memory.
    """
    # 7.000000000000001 requests are 7; the tolerance is far below one request
    count = math.ceil(requests - 1e-9) if math.isfinite(requests) else -1
    if not 0 < count <= MAX_REQUESTS:
        raise ValueError(
            f"a schedule has between 1 and {MAX_REQUESTS} requests, this one would have "
            f"{requests:g}"
        )
    return count
