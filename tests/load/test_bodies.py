"""Every way in which a response may arrive, right and wrong, and what a hostile one can do."""

from __future__ import annotations

import asyncio
import gc

import pytest
from loadkit import Seen, always, answer, port_nobody_listens_on, serving

from grader.http.client import Target
from grader.load import connection as connection_module
from grader.load import pool as pool_module
from grader.load.attack import attack
from grader.load.metrics import Samples
from grader.load.pacer import constant, step
from grader.load.quiet import quiet_collector
from grader.load.targeter import Answer, Request

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def run(
    data: bytes, *, close: bool = False, method: str = "GET", body: bytes = b"hello"
) -> tuple[Samples, int]:
    def check(got: Answer) -> str:
        return "" if got.body == body else f"{len(got.body)} bytes"

    async with serving(always(data, close=close)) as served:
        samples = await attack(
            [served.target],
            constant(100, 0.1),
            lambda _: Request(method, "/", validate=check),
            connections=1,
            timeout_s=2,
        )
        return samples, served.connections


@pytest.mark.parametrize(
    ("data", "close", "connections"),
    [
        (answer(b"hello"), False, 1),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", False, 1),
        (CHUNKED + b"5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n", False, 1),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", True, 10),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", True, 10),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", True, 10),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"hello"), False, 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello"), False, 1),
    ],
    ids=[
        "length",
        "chunked",
        "extensions",
        "until close",
        "connection: close",
        "HTTP/1.0",
        "early hints",
        "continue",
    ],
)
async def test_right_answers(data: bytes, close: bool, connections: int) -> None:
    samples, opened = await run(data, close=close)
    assert samples.errors() == {}
    assert set(samples.status) == {200}
    assert opened >= connections
    if connections == 1:
        assert opened <= 3  # kept and used again


@pytest.mark.parametrize(
    ("data", "close", "error"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            True,
            "the connection was closed in the middle",
        ),
        (CHUNKED + b"5\r\nhello\r\n", True, "the connection was closed in the middle"),
        (b"", True, "the connection was closed without a response"),
        (b"HTTP/1.1 2", True, "the connection was closed without a response"),
        (b"SSH-2.0-OpenSSH\r\n", True, "not HTTP"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            False,
            "the server asked to switch",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"\r\n", False, "too many headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 40000, False, "the header section is too large"),
        (
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * ((1 << 20) + 1),
            True,
            "the body is larger than 1048576 bytes",
        ),
        (answer(b"x" * ((1 << 20) + 1)), False, "the body is larger than 1048576 bytes"),
    ],
)
async def test_wrong_answers_name_what_was_wrong(data: bytes, close: bool, error: str) -> None:
    samples, _ = await run(data, close=close)
    assert len(samples) == 10
    assert all(text.startswith(error) for text in samples.error), samples.errors()


async def test_answers_without_a_body() -> None:
    samples, opened = await run(b"HTTP/1.1 204 No Content\r\n\r\n", body=b"")
    assert (samples.errors(), set(samples.status)) == ({}, {204})
    assert opened <= 3
    samples, _ = await run(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD", body=b"")
    assert samples.errors() == {}


async def test_a_second_answer_that_nobody_asked_for_is_not_taken_for_the_next_request() -> None:
    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> None:
        own = seen.path[1:].encode()
        writer.write(answer(own) + answer(b"%d" % (int(own) + 1)))
        await writer.drain()

    def request(index: int) -> Request:
        return Request(
            "GET",
            f"/{index}",
            validate=lambda got: "" if got.body == b"%d" % index else "another's answer",
        )

    async with serving(handle) as served:
        samples = await attack([served.target], constant(200, 0.2), request, connections=1)
        opened = served.connections
    assert samples.errors() == {}
    assert opened >= 40  # each such connection was given up


async def test_an_answer_before_the_request_is_not_taken() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"right"))
        await asyncio.sleep(0.01)
        writer.write(answer(b"early"))

    check = Request(
        "GET", "/", validate=lambda got: "" if got.body == b"right" else "an early answer"
    )
    async with serving(handle) as served:
        samples = await attack([served.target], constant(4, 1), lambda _: check, connections=1)
    assert samples.errors() == {}


async def test_headers_are_read_in_lower_case() -> None:
    check = Request(
        "GET", "/", validate=lambda got: "" if got.headers["x-cache"] == "HIT" else "no header"
    )
    async with serving(always(answer(more=b"X-Cache: HIT\r\n"))) as served:
        samples = await attack([served.target], constant(100, 0.05), lambda _: check)
    assert samples.errors() == {}


async def test_slow_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_HELD", 1 << 20)
    size = 300_000

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * (size - 1))
        await asyncio.sleep(0.5)
        writer.write(b"x")

    async with serving(handle) as served:
        samples = await attack(
            [served.target], constant(100, 0.2), lambda _: Request("GET", "/"), timeout_s=5
        )
    assert samples.errors().keys() == {
        "the answers under way are together larger than the load generator can hold"
    }
    assert 1 <= sum(1 for text in samples.error if not text) <= 3


async def test_trailers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_WIRE", 1 << 16)
    samples, _ = await run(CHUNKED + b"5\r\nhello\r\n0\r\nT: " + b"x" * (1 << 18))
    assert samples.errors() == {"the response is larger than 65536 bytes": 10}


async def test_requests_that_fail_leave_no_circles_while_nothing_collects() -> None:
    target = Target("app", "127.0.0.1", port_nobody_listens_on())
    await attack([target], constant(100, 0.1), lambda _: Request("GET", "/"))
    with quiet_collector():
        await attack([target], constant(200, 1), lambda _: Request("GET", "/"))
        assert gc.collect() < 200  # one circle a request would be several hundred objects


async def test_a_stale_connection_is_tried_once_more_and_a_fresh_one_is_not() -> None:
    """The server closes at the very moment a connection is used again after a long rest."""

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if seen.path == "/rested" and not any(s.path == "/rested" for s in served.seen[:-1]):
            return False
        writer.write(answer())
        return True

    def request(index: int) -> Request:
        return Request("GET", "/rested" if index == 1 else "/")

    rested = step([(1, 1), (0, pool_module.STALE_AFTER_S), (1, 1)])
    async with serving(handle) as served:
        samples = await attack([served.target], rested, request, connections=1)
    assert samples.errors() == {}
    assert [seen.path for seen in served.seen] == ["/", "/rested", "/rested"]
    async with serving(handle) as served:
        samples = await attack([served.target], constant(20, 0.1), request, connections=1)
    assert list(samples.error) == ["", "the connection was closed without a response"]
