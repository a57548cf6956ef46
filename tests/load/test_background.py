"""Load that goes on while a test does something else."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest
from loadkit import Seen, always, answer, serving

from grader.load.background import Background
from grader.load.pacer import constant
from grader.load.targeter import Request

GET = Request("GET", "/")


async def test_it_runs_while_the_block_runs_and_ends_with_it() -> None:
    async with serving(always(answer())) as served:
        async with Background(served.target, 100, lambda _: GET) as load:
            await asyncio.sleep(0.5)
            so_far = len(load.samples)
            now = load.now()
            assert 0 < so_far <= now * 100 + 1
        sent = len(served.seen)
        assert len(load.samples) == sent >= so_far
        await asyncio.sleep(0.1)
        assert len(served.seen) == sent
    assert load.samples.errors() == {}
    assert list(load.samples.due) == pytest.approx([i / 100 for i in range(sent)], abs=1e-6)
    assert gc.isenabled()


async def test_a_fault_shows_where_it_happened() -> None:
    down = False

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(status="503 Down" if down else "200 OK"))

    async with (
        serving(handle) as served,
        Background(served.target, constant(100, 0.9), lambda _: GET) as load,
    ):
        await asyncio.sleep(0.3)
        down, began = True, load.now()
        await asyncio.sleep(0.3)
        down, ended = False, load.now()
        samples = await load.stop()
    wrong = [at for at, text in zip(samples.due, samples.error, strict=True) if text]
    assert set(samples.errors()) == {"status 503"}
    assert len(wrong) >= 10
    # one that was due just before may be handled just after, and the other way round
    assert sum(1 for at in wrong if began <= at <= ended) > len(wrong) / 2


async def test_what_is_under_way_is_awaited() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(answer())

    async with serving(handle) as served:
        async with Background(served.target, 50, lambda _: GET) as load:
            await asyncio.sleep(0.2)
            assert len(load.samples) == 0
        assert len(load.samples) == len(served.seen) > 0
    assert load.samples.errors() == {}


async def test_poisson_without_an_end_and_two_at_once() -> None:
    async with serving(always(answer())) as served:
        one = Background(served.target, 200, lambda _: GET, rng=random.Random(1))
        other = Background([served.target, served.target], 50, lambda _: GET)
        async with one, other:
            await asyncio.sleep(0.4)
            assert not gc.isenabled()
    gaps = {round(b - a, 6) for a, b in zip(one.samples.due, one.samples.due[1:], strict=False)}
    assert len(gaps) > 20
    assert set(other.samples.side) == {0, 1}
    assert gc.isenabled()


async def test_an_exception_in_the_block_ends_the_load_at_once() -> None:
    async with serving(always(answer())) as served:
        with pytest.raises(RuntimeError, match="the check failed"):
            async with Background(served.target, 100, lambda _: GET):
                raise RuntimeError("the check failed")
    assert gc.isenabled()


async def test_wrong_use_is_named() -> None:
    async with serving(always(answer())) as served:
        with pytest.raises(ValueError):
            Background(served.target, 0, lambda _: GET)
        load = Background(served.target, 10, lambda _: GET)
        with pytest.raises(RuntimeError, match="async with"):
            load.now()
