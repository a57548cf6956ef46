"""The open-loop attack against real sockets: what a server does must show, and nothing is
dropped.
"""

from __future__ import annotations

import asyncio
import gc
import math
import socket
import time

import pytest
from loadkit import Seen, always, answer, port_nobody_listens_on, serving

from grader.http.client import Target
from grader.load.attack import attack
from grader.load.background import Background
from grader.load.pacer import constant, step
from grader.load.targeter import Answer, Request, json_request, rotate

GET = Request("GET", "/")


def must_be_hi(got: Answer) -> str:
    return "" if got.status == 200 and got.body == b"hi" else f"not hi: {got.body[:20]!r}"


async def test_every_request_is_sent_and_measured_and_a_few_connections_do() -> None:
    async with serving(always(answer())) as served:
        samples = await attack(
            [served.target],
            constant(200, 1),
            lambda i: Request("GET", f"/{i}", validate=must_be_hi),
        )
    assert len(samples) == 200
    assert sorted(seen.path for seen in served.seen) == sorted(f"/{i}" for i in range(200))
    assert samples.errors() == {}
    assert list(samples.index) == list(range(200))
    assert list(samples.due) == pytest.approx([i / 200 for i in range(200)], abs=1e-6)
    assert all(
        0 < service <= latency
        for service, latency in zip(samples.service_s, samples.latency_s, strict=True)
    )
    assert all(
        0 < first <= latency
        for first, latency in zip(samples.ttft_s, samples.latency_s, strict=True)
    )
    assert all(lag >= 0 for lag in samples.lag_s)


@pytest.mark.parametrize("connections", [1, 200])
async def test_a_stall_shows_in_the_latency_of_everything_that_was_due_meanwhile(
    connections: int,
) -> None:
    """Coordinated omission: a closed loop on one connection would see one slow request where 60 are
    affected.
    """
    open_for_business, stall = asyncio.Event(), []
    open_for_business.set()

    async def stand_still() -> None:
        stall.append(time.perf_counter())
        await asyncio.sleep(0.6)
        stall.append(time.perf_counter())
        open_for_business.set()

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        if len(served.seen) == 30:
            open_for_business.clear()
            stalling.append(asyncio.create_task(stand_still()))
        await open_for_business.wait()
        writer.write(answer())

    stalling: list[asyncio.Task[None]] = []
    async with serving(handle) as served:
        load = Background(
            served.target,
            constant(100, 1.5),
            lambda _: GET,
            connections=1,
            max_connections=connections,
        )
        async with load:
            start = time.perf_counter() - load.now()
            await asyncio.sleep(1.6)
        samples = load.samples
    assert (len(samples), samples.errors()) == (150, {})
    hit = [i for i in range(150) if stall[0] < start + samples.due[i] < stall[1]]
    assert len(hit) >= 50
    for i in hit:
        assert samples.latency_s[i] >= stall[1] - (start + samples.due[i]) - 0.001
    if (
        connections == 1
    ):  # measured from the real send, the stall is hidden: that is why latency is not
        assert sum(1 for i in hit if samples.service_s[i] > 0.3) == 0


async def test_requests_queue_when_connections_run_out_and_none_is_dropped() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer())

    async with serving(handle) as served:
        samples = await attack(
            [served.target], constant(100, 1), lambda _: GET, connections=2, max_connections=2
        )
    assert (len(samples), samples.errors()) == (100, {})
    assert served.connections == 2
    # two connections carry 40 a second: the last one waited for about a second and a half
    assert samples.latency_s[99] > 1.0
    assert samples.latency_s[99] - samples.service_s[99] > 0.9
    assert (
        max(samples.lag_s) < samples.latency_s[99] / 2
    )  # the queue is the server's doing, not the client's


async def test_the_pool_grows_for_a_slow_server() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(answer())

    async with serving(handle) as served:
        samples = await attack([served.target], constant(100, 0.5), lambda _: GET, connections=2)
    assert samples.errors() == {}
    assert 15 <= served.connections <= 50


async def test_a_wrong_answer_is_an_error_and_has_no_latency() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"ho" if len(served.seen) % 4 == 0 else b"hi"))

    async with serving(handle) as served:
        samples = await attack(
            [served.target], constant(200, 0.5), lambda _: Request("GET", "/", validate=must_be_hi)
        )
    assert samples.errors() == {"not hi: b'ho'": 25}
    assert sum(1 for latency in samples.latency_s if math.isinf(latency)) == 25
    assert set(samples.status) == {200}
    assert math.isfinite(samples.percentile(70))
    assert math.isinf(samples.percentile(80))


async def test_without_a_validation_only_2xx_is_right_and_redirects_are_not_followed() -> None:
    async with serving(always(answer(b"", "302 Found", b"Location: /other\r\n"))) as served:
        samples = await attack([served.target], constant(100, 0.1), lambda _: GET)
    assert samples.errors() == {"status 302": 10}
    assert {seen.path for seen in served.seen} == {"/"}


async def test_sides_alternate_and_each_gets_its_own_headers() -> None:
    async with (
        serving(always(answer())) as app,
        serving(always(answer()), headers={"X-Baseline-Key": "k"}) as baseline,
    ):
        samples = await attack([app.target, baseline.target], constant(100, 0.4), lambda _: GET)
    assert (len(samples.of(0)), len(samples.of(1))) == (20, 20)
    assert len(app.seen) == len(baseline.seen) == 20
    assert all(b"X-Baseline-Key: k" in seen.head for seen in baseline.seen)
    assert not any(b"X-Baseline-Key" in seen.head for seen in app.seen)


async def test_side_of_decides_where_a_request_goes() -> None:
    async with serving(always(answer())) as one, serving(always(answer())) as other:
        samples = await attack(
            [one.target, other.target],
            constant(100, 0.3),
            lambda _: GET,
            side_of=lambda i: i % 3 == 2,
        )
    assert (len(one.seen), len(other.seen)) == (20, 10)
    assert list(samples.of(1).index) == list(range(2, 30, 3))


async def test_nothing_on_the_wire_tells_load_from_a_functional_request() -> None:
    async with serving(always(answer()), headers={"X-Key": "k"}) as served:
        await served.target.request(
            "POST", "/predict", json={"text": "a"}, headers={"X-Trace": "1"}
        )
        await served.target.request("GET", "/items?q=1")
        posted = json_request("POST", "/predict", {"text": "a"}, headers={"X-Trace": "1"})
        turn = rotate([posted, Request("GET", "/items?q=1")])
        await attack([served.target], constant(100, 0.02), lambda _: next(turn))
        # named by hand, in another order
        by_hand = Request(
            "POST", "/predict", posted.body, {"X-Trace": "1", "Content-Type": "application/json"}
        )
        await attack([served.target], constant(100, 0.01), lambda _: by_hand)
        await served.target.request(
            "POST", "/predict", body=posted.body, headers=dict(by_hand.headers)
        )
    functional, load = served.seen[:2], served.seen[2:4]
    assert sorted(s.head + s.body for s in functional) == sorted(s.head + s.body for s in load)
    assert {tuple(s.header_names) for s in (served.seen[0], *served.seen[4:])} == {
        (
            "Host",
            "Accept",
            "Accept-Encoding",
            "User-Agent",
            "Content-Type",
            "Content-Length",
            "X-Key",
            "X-Trace",
        )
    }


async def test_connection_refused_fails_every_request_and_names_the_reason() -> None:
    target = Target("app", "127.0.0.1", port_nobody_listens_on())
    samples = await attack([target], constant(100, 0.3), lambda _: GET)
    assert len(samples) == 30
    assert samples.errors() == {"could not connect: Connection refused": 30}
    assert math.isinf(samples.percentile(1))


async def test_a_service_that_accepts_nobody_holds_up_nothing() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # one may wait; everybody else's handshake stays without an answer
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            async with asyncio.timeout(5):
                samples = await attack(
                    [Target("app", "127.0.0.1", port)],
                    constant(50, 0.1),
                    lambda _: GET,
                    timeout_s=0.3,
                )
    assert set(samples.errors()) == {"no complete answer within 0.3 s"}


async def test_an_unknown_name_fails_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_args: object, **_named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    samples = await attack([Target("app", "nobody", 80)], constant(100, 0.05), lambda _: GET)
    assert samples.errors() == {"could not connect: the name could not be resolved": 5}


async def test_a_request_without_an_answer_times_out_from_its_due_time() -> None:
    async def handle(_seen: Seen, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with serving(handle) as served:
        began = time.perf_counter()
        samples = await attack(
            [served.target], constant(50, 0.4), lambda _: GET, timeout_s=0.3, max_connections=4
        )
        assert time.perf_counter() - began < 15  # far below what the server would take
    assert samples.errors() == {"no complete answer within 0.3 s": 20}
    assert len(samples) == 20


async def test_a_connection_cut_under_load_is_an_error_not_a_second_try() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if len(served.seen) % 5 == 0:
            return False
        writer.write(answer())
        return True

    async with serving(handle) as served:
        samples = await attack([served.target], constant(100, 0.5), lambda _: GET)
    assert samples.errors() == {"the connection was closed without a response": 10}
    assert len(served.seen) == 50


async def test_a_connection_that_the_server_closed_while_idle_costs_nothing() -> None:
    async with serving(always(answer(), close=True)) as served:
        samples = await attack(
            [served.target], step([(50, 0.2), (0, 0.1), (50, 0.2)]), lambda _: GET, connections=3
        )
    assert samples.errors() == {}
    assert served.connections >= 20  # one per request: none was kept


async def test_a_failing_validation_of_ours_ends_the_attack_and_is_raised() -> None:
    def broken(_answer: Answer) -> str:
        raise KeyError("a fault of the check")

    async with serving(always(answer())) as served:
        with pytest.raises(KeyError, match="a fault of the check"):
            await attack(
                [served.target], constant(100, 5), lambda _: Request("GET", "/", validate=broken)
            )
    assert len(served.seen) < 100


async def test_what_requests_raises_is_raised() -> None:
    def requests(index: int) -> Request:
        if index == 3:
            raise RuntimeError("no more data")
        return GET

    async with serving(always(answer())) as served:
        with pytest.raises(RuntimeError, match="no more data"):
            await attack([served.target], constant(100, 5), requests)
    assert len(served.seen) <= 4


async def test_the_collector_is_off_while_it_measures_and_back_afterwards() -> None:
    states: list[bool] = []

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        states.append(gc.isenabled())
        writer.write(answer())

    assert gc.isenabled()
    async with serving(handle) as served:
        await attack([served.target], constant(100, 0.1), lambda _: GET)
    assert set(states) == {False}
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_a_cancelled_attack_leaves_nothing_behind() -> None:
    async with serving(always(answer())) as served:
        task = asyncio.create_task(attack([served.target], constant(100, 60), lambda _: GET))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        sent = len(served.seen)
        await asyncio.sleep(0.1)
        assert len(served.seen) - sent <= 1
    assert gc.isenabled()
