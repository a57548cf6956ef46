"""The fraud lab's measurements under load, against services over sockets that batch, do not, guess
or refuse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fast_inference_kit import Timed, context, lab_modules
from labkit import check_of, measured
from loadkit import serving

from grader.checks.base import Check
from grader.result import Outcome


@pytest.fixture(scope="module")
def checks() -> Iterator[Any]:
    with lab_modules() as made:
        yield made


@asynccontextmanager
async def against_r(checks: Any, app: Timed) -> AsyncIterator[Any]:
    """A context in which ``app`` and a service that scores one by one are asked over sockets."""
    ctx, slow = context(checks, app), Timed(most=1)
    slow.take(app.model)
    async with serving(app.handle) as mine, serving(slow.handle) as theirs:
        ctx.app, ctx.target = mine.target, lambda name: theirs.target
        made = await checks.asking.world(ctx)
        ctx.shared["quiet"] = checks.asking.Quiet(
            1 / (1 + np.exp(-made.quiet_logits)), 1.0, "", None
        )
        yield ctx


async def judged(check: Check, ctx: Any) -> Any:
    """A busy machine is no verdict: measured again, as the probe's runner does."""
    for _ in range(3):
        found = await measured(check, ctx)
        if found.outcome is not Outcome.INCONCLUSIVE:
            break
    return found


@pytest.mark.parametrize(
    ("app", "outcome", "said"),
    [
        (Timed(), Outcome.PASSED, "rows a second"),
        (Timed("busy"), Outcome.FAILED, "scores lay more than"),
    ],
)
async def test_throughput(checks: Any, app: Timed, outcome: Outcome, said: str) -> None:
    async with against_r(checks, app) as ctx:
        short: dict[str, Any] = {"threshold": 3.0, "clients": 12, "slice_s": 0.04}
        found = await judged(check_of("fast-inference", "speed.Throughput", **short), ctx)
    assert found.outcome is outcome, found
    assert said in found.message
    assert ctx.shared["r_rate"] > 0


@pytest.mark.parametrize(
    ("app", "outcome", "said"),
    [
        (Timed(), Outcome.PASSED, "half waited"),
        (Timed(queue=10), Outcome.FAILED, "429"),
    ],
)
async def test_bursts(checks: Any, app: Timed, outcome: Outcome, said: str) -> None:
    async with against_r(checks, app) as ctx:
        check = check_of("fast-inference", "tail.Tail", burst=32, seconds=0.2)
        found = await judged(check, ctx)
    assert found.outcome is outcome, found
    assert said in found.message
