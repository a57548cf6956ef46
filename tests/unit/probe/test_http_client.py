"""The probe's HTTP client against servers that misbehave. Real sockets, this machine only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from grader.http import client as http
from grader.http import response
from grader.http.client import MAX_BODY, Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK_HI = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Target]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    target = Target("app", "127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield target
    finally:
        await target.close()
        server.close()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(data: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(data)
        await writer.drain()

    return handler


async def test_a_connection_is_kept_and_used_again() -> None:
    seen: list[int] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        while True:
            await read_head(reader)
            writer.write(OK_HI)

    async with serving(handler) as target:
        answers = [await target.request("GET", "/") for _ in range(5)]
    assert [a.body for a in answers] == [b"hi"] * 5
    assert len(seen) == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async with serving(answering(OK_HI)) as target:
        for _ in range(3):
            answer = await target.request("GET", "/")
            assert (answer.status, answer.error) == (200, "")
            await asyncio.sleep(0.02)


async def test_a_body_until_the_end_of_the_connection() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\nhello")) as target:
        answer = await target.request("GET", "/")
    assert (answer.body, answer.error) == (b"hello", "")


async def test_endless_body() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            await writer.drain()

    async with serving(handler) as target:
        answer = await target.request("GET", "/")
    assert answer.truncated
    assert "larger than" in answer.error
    assert len(answer.body) <= MAX_BODY


async def test_slow_drip() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"a" * 100000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(handler) as target:
        answer = await target.request("GET", "/", timeout_s=0.3)
    assert "no complete answer within" in answer.error
    assert not answer.ok


async def test_gzip_response_bomb_is_not_unpacked() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with serving(answering(head)) as target:
        answer = await target.request("GET", "/")
    assert answer.body == b"\x1f\x8b\x08\x00"
    assert answer.json() is None


async def test_header_flood() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-a: " + b"b" * 1000 + b"\r\n")
            await writer.drain()

    async with serving(handler) as target:
        answer = await target.request("GET", "/", timeout_s=5)
    assert "header" in answer.error


async def test_redirects_are_not_followed() -> None:
    async with serving(
        answering(b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n")
    ) as target:
        answer = await target.request("GET", "/")
    assert answer.status == 302


async def test_garbage_is_named() -> None:
    async with serving(answering(b"SSH-2.0-OpenSSH\r\n\r\n")) as target:
        answer = await target.request("GET", "/")
    assert answer.error.startswith("not HTTP")


async def test_an_interim_answer_is_passed_over() -> None:
    async with serving(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + OK_HI)) as target:
        answer = await target.request("POST", "/", json={"a": 1})
    assert (answer.status, answer.body) == (200, b"hi")


async def test_hanging_up_on_purpose_is_seen_by_the_server() -> None:
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await writer.drain()
        await reader.read()
        gone.set()

    async with serving(handler) as target:
        answer = await target.request("GET", "/", stop_when=lambda piece: b"abc" in piece)
        await asyncio.wait_for(gone.wait(), 2)
    assert answer.error == "hung up on purpose"


async def test_events_carry_their_arrival_times() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for word in (b"one", b"two"):
            writer.write(b"data: " + word + b"\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with serving(handler) as target:
        events = (await target.request("GET", "/")).events()
    assert [data for _, data in events] == ["one", "two"]
    assert events[1][0] - events[0][0] > 0.05


async def test_nobody_listens() -> None:
    async with serving(answering(OK_HI)) as target:
        pass
    assert "could not connect" in (await target.request("GET", "/")).error


async def test_endless_trailers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_WIRE", 1 << 16)
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: " + b"x" * (
        1 << 18
    )
    async with serving(answering(endless)) as target:
        response = await target.request("GET", "/")
    assert response.error == "the response is larger than 65536 bytes"


async def test_an_exchange_says_when_in_the_probes_life_it_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(OK_HI)

    async with serving(hello) as target:
        sent = await target.request("GET", "/")
    monkeypatch.setattr(response, "PROBE_BEGAN", sent.sent_at - 12.5)
    assert sent.exchange().started_s == 12.5
