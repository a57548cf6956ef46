"""Streams of tokens: when each arrived, whatever pieces it came in."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
from loadkit import Seen, serving

from grader.load.attack import attack
from grader.load.pacer import constant
from grader.load.streams import events
from grader.load.targeter import Answer, Request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_an_event_arrives_when_its_last_byte_does() -> None:
    text = b"data: a\n\n: a comment\n\nevent: x\r\ndata: b\r\ndata:  c\r\n\r\nid: 7\n\ndata: [DONE]\n\ndata: cut"
    whole = events([(1.0, text)])
    assert whole == [(1.0, b"a"), (1.0, b"b\n c"), (1.0, b"[DONE]")]
    single = events([(float(i), text[i : i + 1]) for i in range(len(text))])
    assert [data for _, data in single] == [data for _, data in whole]
    assert [at for at, _ in single] == [
        text.index(end) + len(end) - 1 for end in (b"a\n\n", b"c\r\n\r", b"[DONE]\n\n")
    ]
    assert events([]) == []


def test_reading_events_takes_time_in_proportion_to_the_body() -> None:
    """Pieces of one byte without an end of an event: eight times the pieces, not 64 times the
    work.
    """

    def seconds(pieces: int) -> float:
        chunks, times = [(0.0, b"x")] * pieces, []
        for _ in range(5):
            began = time.process_time()
            assert events(chunks) == []
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(800_000) < 30 * seconds(100_000)


async def test_tokens_are_counted_and_their_gaps_measured() -> None:
    sent: list[list[float]] = []

    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        times: list[float] = []
        sent.append(times)
        writer.write(HEAD + chunk(b": hello\n\n"))
        for number in range(5):
            await asyncio.sleep(0.03)
            times.append(time.perf_counter())
            piece = b'data: {"n": %d}\n\n' % number
            writer.write(chunk(piece[:4]) + chunk(piece[4:]))
        writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    def check(got: Answer) -> str:
        whole = [data for _, data in got.events()]
        return "" if whole == [*(f'{{"n": {n}}}' for n in range(5)), "[DONE]"] else f"{whole}"

    async with serving(handle) as served:
        samples = await attack(
            [served.target],
            constant(20, 0.3),
            lambda _: Request("GET", "/", validate=check),
            streaming=True,
        )
    assert samples.errors() == {}
    assert list(samples.tokens) == [5] * 6
    truth = sorted(b - a for times in sent for a, b in pairwise(times))
    assert len(samples.token_gaps()) == len(truth) == 24
    # the median is robust against a moment of another process; the sums telescope, so they are
    # close too
    assert sorted(samples.token_gaps())[12] == pytest.approx(truth[12], abs=0.01)
    for i in range(6):
        assert (
            0.02 < samples.ttft_s[i] < samples.latency_s[i]
        )  # loops wake up to a millisecond early
        assert sum(samples.gaps(i)) <= samples.latency_s[i]
    assert samples.tokens_per_s() > 0
    assert samples.goodput(ttft_s=60, gap_s=60) == 1.0
    assert samples.goodput(ttft_s=0.01) == 0.0


async def test_what_counts_as_a_token_can_be_said() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        body = b"data: role\n\ndata: one\n\ndata: two\n\n"
        writer.write(HEAD + chunk(body) + b"0\r\n\r\n")

    async with serving(handle) as served:
        samples = await attack(
            [served.target],
            constant(50, 0.1),
            lambda _: Request("GET", "/"),
            streaming=True,
            is_token=lambda data: data != b"role",
        )
    assert list(samples.tokens) == [2] * 5


async def test_a_stream_cut_off_is_an_error() -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunk(b"data: one\n\n"))
        return False

    async with serving(handle) as served:
        samples = await attack(
            [served.target], constant(50, 0.1), lambda _: Request("GET", "/"), streaming=True
        )
    assert samples.errors() == {"the connection was closed in the middle": 5}
    assert len(samples.token_gaps()) == 0
    assert samples.goodput(ttft_s=60) == 0
