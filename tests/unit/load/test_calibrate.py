"""The generator knows its own limits, on this machine, now."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from grader.load.alarm import Alarm
from grader.load.calibrate import Calibration, calibrate


async def test_a_modest_rate_is_kept_and_an_absurd_one_is_not() -> None:
    found = await calibrate(rates=(100, 200_000), seconds=0.04)
    assert found.rate == 100
    assert 0 <= found.lag_p50_s <= found.lag_p99_s


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
