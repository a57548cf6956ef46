"""The generator knows its own limits, on this machine, now."""

from __future__ import annotations

import asyncio
import time
from array import array
from functools import partial

import pytest

from grader.load import calibrate as calibrate_module
from grader.load.alarm import Alarm
from grader.load.calibrate import Calibration, calibrate
from grader.load.metrics import Samples
from grader.load.pacer import Schedule


async def test_an_absurd_rate_is_not_kept() -> None:
    found = await calibrate(rates=(20, 200_000), seconds=0.05)
    assert found.rate < 200_000
    assert 0 <= found.lag_p50_s <= found.lag_p99_s


@pytest.mark.parametrize(("late_from", "kept"), [(99, 400), (400, 200), (100, 0)])
async def test_the_last_rate_before_the_client_is_late_counts(
    late_from: float, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    async def attack(_sides: object, schedule: Schedule, *_: object, **__: object) -> Samples:
        rate = round(1 / schedule.offsets[1])
        tried.append(rate)
        late = rate >= late_from > 99
        return Samples(lag_s=array("d", [0.02 if late else 0.001] * 100), due=schedule.offsets)

    monkeypatch.setattr(calibrate_module, "attack", attack)
    found = await calibrate(rates=(100, 200, 400), seconds=1)
    assert found == Calibration(kept, *([0.02] * 2 if late_from == 100 else [0.001] * 2))
    assert tried.count(late_from) == (calibrate_module.TRIES if late_from > 99 else 0)


async def test_a_rate_is_allowed_when_half_the_time_is_left() -> None:
    assert Calibration(1000, 0, 0).allows(500)
    assert not Calibration(1000, 0, 0).allows(501)


async def test_an_alarm_rings_once_and_not_before_its_time() -> None:
    def ring(rang: asyncio.Future[float]) -> None:
        rang.set_result(time.perf_counter())

    loop = asyncio.get_running_loop()
    for ahead in (-1.0, 0.0, 0.0005, 0.01):
        rang: asyncio.Future[float] = loop.create_future()
        alarm = Alarm(partial(ring, rang))
        due = time.perf_counter() + ahead
        alarm.at(due)
        assert await asyncio.wait_for(rang, 20) >= due
        await asyncio.sleep(0.02)
        alarm.close()


async def test_a_closed_alarm_is_silent() -> None:
    rang: list[int] = []
    alarm = Alarm(lambda: rang.append(1))
    alarm.at(time.perf_counter() + 0.02)
    alarm.close()
    await asyncio.sleep(0.06)
    assert rang == []
