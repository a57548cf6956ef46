"""The fault proxy on real sockets: latency, order, stalls, cuts, slow links, and what it
refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from grader.sidecars.fault_proxy.kind import ProxyConfig
from grader.sidecars.fault_proxy.proxy import Proxy
from grader.sidecars.stdio import reply_to


class Line:
    """One connection through the proxy to an echo service."""

    def __init__(self, proxy: Proxy, port: int) -> None:
        self.proxy, self.port = proxy, port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def echo(self, data: bytes = b"hello\n", timeout_s: float = 5) -> tuple[bytes, float]:
        reader, writer = await self.connect()
        began = time.perf_counter()
        writer.write(data)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await reader.readexactly(len(data))
        finally:
            writer.close()
        return answer, time.perf_counter() - began


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[Line]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

    behind = await asyncio.start_server(echo, "127.0.0.1", 0)
    config = ProxyConfig(upstream=f"localhost:{behind.sockets[0].getsockname()[1]}")
    proxy = Proxy(config, random.Random("seed"))
    front = await proxy.start(0)
    yield Line(proxy, front.sockets[0].getsockname()[1])
    front.close()
    behind.close()


def link(line: Line, **state: Any) -> None:
    line.proxy.obey({"command": "link", **state})


async def test_without_a_fault_bytes_pass_unchanged() -> None:
    data = random.Random(1).randbytes(300_000)
    async with proxied() as line:
        answer, _ = await line.echo(data)
        assert answer == data
        assert line.proxy.obey({"command": "stats"})["bytes"] == 2 * len(data)


async def test_latency_counts_each_way_and_keeps_the_order_under_jitter() -> None:
    async with proxied() as line:
        _, quick = await line.echo()
        link(line, latency_ms=60, jitter_ms=40)
        reader, writer = await line.connect()
        began = time.perf_counter()
        for number in range(20):
            writer.write(b"%04d" % number)
            await asyncio.sleep(0.002)
        answer = await reader.readexactly(80)
        assert answer == b"".join(b"%04d" % n for n in range(20))
        assert time.perf_counter() - began > 0.12 > quick
        writer.close()


async def test_a_stalled_link_delivers_when_it_flows_again() -> None:
    async with proxied() as line:
        link(line, stalled=True)
        waiting = asyncio.create_task(line.echo())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        link(line)
        assert (await waiting)[0] == b"hello\n"


async def test_a_cut_resets_what_is_open_and_what_comes() -> None:
    async with proxied() as line:
        reader, writer = await line.connect()
        writer.write(b"x")
        await reader.readexactly(1)
        link(line, cut=True)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await line.echo()
        link(line)
        assert (await line.echo())[0] == b"hello\n"


async def test_a_slow_link_takes_its_time() -> None:
    async with proxied() as line:
        data = bytes(40_000)
        _, quick = await line.echo(data)
        link(line, bytes_per_s=100_000)
        _, slow = await line.echo(data)
        assert slow > 0.3 > quick


async def test_lost_packets_come_late_and_in_order() -> None:
    async with proxied() as line:
        quiet = line.proxy.obey({"command": "stats"})
        assert quiet["lost"] == 0
        reader, writer = await line.connect()
        link(line, loss=0.3)
        waits = []
        for number in range(25):
            began = time.perf_counter()
            writer.write(b"%04d" % number)
            assert await reader.readexactly(4) == b"%04d" % number
            waits.append(time.perf_counter() - began)
        late = [wait for wait in waits if wait > 0.19]
        assert 4 <= len(late) <= 21, waits
        assert line.proxy.obey({"command": "stats"})["lost"] >= len(late)
        link(line)
        data = random.Random(2).randbytes(200_000)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()


async def test_the_opening_of_a_connection_may_be_lost() -> None:
    async with proxied() as line:
        link(line, loss=0.5)
        line.proxy._rng = AlternatingLoss()
        _, took = await line.echo(timeout_s=10)
        assert 1.0 < took < 3.0


class AlternatingLoss(random.Random):
    """The first packet is lost, the next ones are not."""

    def __init__(self) -> None:
        super().__init__(1)
        self.rolled = 0

    def random(self) -> float:
        self.rolled += 1
        return 0.0 if self.rolled == 1 else 0.9


async def test_a_dead_party_behind_it_looks_dead() -> None:
    proxy = Proxy(ProxyConfig(upstream="localhost:9"), random.Random(1))
    front = await proxy.start(0)
    line = Line(proxy, front.sockets[0].getsockname()[1])
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await line.echo()
    front.close()


@pytest.mark.parametrize(
    "payload",
    [
        {"command": "link", "latency_ms": -1},
        {"command": "link", "lag": 3},
        {"command": "storm"},
        None,
    ],
)
async def test_a_bad_command_is_answered_with_what_is_wrong(payload: Any) -> None:
    async with proxied() as line:
        said = reply_to(
            line.proxy.obey, json.dumps({"type": "command", "id": 4, "payload": payload}).encode()
        )
        assert (said.ok, said.id) == (False, 4)
        assert said.error
        assert (await line.echo())[0] == b"hello\n"
