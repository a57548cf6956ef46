"""Ratios of latency from one alternating stream, and closed-loop slices, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from grader.http.client import Target
from grader.load import compare as module
from grader.load.closed import ClosedLoop
from grader.load.compare import Comparison, Plan, compare
from grader.load.targeter import Answer, Request
from grader.result import Outcome

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SERVER_ERROR = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
Reply = Callable[[int], tuple[float, bytes]]


@contextlib.asynccontextmanager
async def service(reply: Reply) -> AsyncIterator[tuple[Target, list[bytes]]]:
    """Answers request ``n`` with ``reply(n)``:

    (seconds to wait, bytes). Yields it and the request lines it saw.
    """
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen.append(head.split(b"\r\n")[0])
                wait, answer = reply(len(seen) - 1)
                await asyncio.sleep(wait)
                writer.write(answer)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield Target("app", "127.0.0.1", server.sockets[0].getsockname()[1]), seen
    server.close()


def constantly(seconds: float, answer: bytes = OK) -> Reply:
    return lambda _number: (seconds, answer)


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_WINDOW_S", 0.05)
    monkeypatch.setattr(module, "LATE_S", 1.0)  # what a late client does is a test of its own


async def compared(mine: Reply, theirs: Reply, **changes: Any) -> Comparison:
    plan = {
        "threshold": 1.0,
        "op": "at_most",
        "rate": 400.0,
        "per_window": 10,
        "warm_s": 0.05,
        **changes,
    }
    async with service(mine) as (app, _), service(theirs) as (baseline, _):
        return await compare((app, baseline), lambda pair: Request("GET", f"/{pair}"), Plan(**plan))


@pytest.mark.parametrize(
    ("mine_s", "threshold", "outcome"), [(0.02, 1.0, Outcome.FAILED), (0.02, 9.0, Outcome.PASSED)]
)
async def test_a_clear_ratio_is_decided_early(
    mine_s: float, threshold: float, outcome: Outcome
) -> None:
    seen = await compared(constantly(mine_s), constantly(0.005), threshold=threshold)
    assert (seen.decision.outcome, seen.wrong) == (outcome, None)
    assert 1.5 < seen.decision.ratio < 9
    assert len(seen.values[0]) == len(seen.values[1]) > 100


async def test_the_same_on_both_sides_is_never_decided() -> None:
    seen = await compared(constantly(0.004), constantly(0.004), budget_s=1.0)
    assert seen.decision.outcome is Outcome.INCONCLUSIVE


async def test_a_wrong_answer_under_load_is_named_with_its_side_and_pair() -> None:
    seen = await compared(lambda n: (0.001, OK if n < 30 else SERVER_ERROR), constantly(0.001))
    assert seen.wrong is not None
    assert (seen.wrong.side, seen.wrong.said, seen.wrong.unanswered) == (0, "status 500", True)
    assert seen.wrong.pair >= 25
    assert seen.decision.outcome is None


async def test_a_wrong_answer_that_came_is_no_missing_one() -> None:
    not_found = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    seen = await compared(constantly(0.001, not_found), constantly(0.001))
    assert seen.wrong is not None
    assert not seen.wrong.unanswered


async def test_pairs_get_the_same_request_on_both_sides() -> None:
    async with (
        service(constantly(0.001)) as (app, mine),
        service(constantly(0.001)) as (baseline, theirs),
    ):
        plan = Plan(1.0, "at_most", rate=400, per_window=10, warm_s=0.05, budget_s=0.5)
        await compare((app, baseline), lambda pair: Request("GET", f"/{pair}"), plan)
    assert sorted(mine) == sorted(theirs)
    assert len(set(mine)) == len(mine) > 100


async def test_a_late_client_voids_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_S", -1.0)  # every send is later than that
    seen = await compared(constantly(0.02), constantly(0.002), threshold=9.0)
    assert seen.client_failed
    assert seen.decision.outcome is Outcome.INCONCLUSIVE


async def test_closed_loop_counts_right_answers_only() -> None:
    async with service(constantly(0.01)) as (app, seen), ClosedLoop(app, 4) as loop:
        one = await loop.slice(lambda n: Request("GET", f"/{n}"), 0, 0.3)
        two = await loop.slice(lambda n: Request("GET", f"/{n}"), 1000, 0.3)
    assert one.right + two.right == len(seen)
    assert one.wrong is None
    assert 4 <= one.right <= 4 * 0.31 / 0.01
    assert seen[0] == b"GET /0 HTTP/1.1"
    assert b"GET /1000 HTTP/1.1" in seen


async def test_closed_loop_stops_at_a_wrong_answer() -> None:
    def judge(answer: Answer) -> str:
        return "" if answer.body == b"ok" else "not ok"

    wrong = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
    async with (
        service(lambda n: (0.001, OK if n != 7 else wrong)) as (app, seen),
        ClosedLoop(app, 2) as loop,
    ):
        found = await loop.slice(lambda n: Request("GET", "/", validate=judge), 0, 5.0)
    assert found.wrong is not None
    assert (found.wrong.said, found.wrong.unanswered) == ("not ok", False)
    assert len(seen) < 20


async def test_closed_loop_on_a_dead_service_ends() -> None:
    async with ClosedLoop(Target("app", "127.0.0.1", 9), 3) as loop:
        found = await loop.slice(lambda n: Request("GET", "/"), 0, 5.0)
    assert found.right == 0
    assert found.wrong is not None
    assert found.wrong.unanswered
