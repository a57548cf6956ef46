"""The lab's clock: it runs, jumps, stands still, and is right again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from grader.sidecars.clock.clock import Clock, ClockConfig


@dataclass
class Steady:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def steady() -> Steady:
    return Steady()


def test_it_shows_the_real_time_or_begins_where_the_lab_says(steady: Steady) -> None:
    assert Clock(ClockConfig(), real=lambda: 5.0, steady=steady).now() == 5.0
    begun = Clock(ClockConfig(start=1000), real=lambda: 5.0, steady=steady)
    steady.seconds += 3
    assert begun.now() == 1003


def test_it_jumps_stands_still_and_is_right_again(steady: Steady) -> None:
    clock = Clock(ClockConfig(start=1000), steady=steady)
    assert clock.obey({"command": "clock", "offset_s": 3600, "rate": 0}) == {"unix": 4600}
    steady.seconds += 10
    assert clock.now() == 4600
    clock.obey({"command": "clock", "rate": 60})
    assert clock.now() == 1010
    steady.seconds += 1
    assert clock.now() == 1070
    clock.obey({"command": "clock"})
    assert clock.now() == 1011


@pytest.mark.parametrize(
    "payload", [{}, {"command": "clock", "rate": -1}, {"command": "clock", "speed": 2}, "now"]
)
def test_it_refuses_what_it_does_not_know(payload: object) -> None:
    with pytest.raises(ValidationError):
        Clock(ClockConfig()).obey(payload)
