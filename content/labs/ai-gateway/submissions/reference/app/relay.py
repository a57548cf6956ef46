"""One chat request on its way to a provider and back: attempts, deadlines, and what may be tried
again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from app.upstreams import Pool, Upstream

ATTEMPTS = 6
FIRST_BYTE_S = 1.2
"""A healthy provider begins long before."""
BETWEEN_TOKENS_S = 3.0
DEADLINE_S = 8.0
HEADERS = {
    "Authorization": f"Bearer {os.environ.get('UPSTREAM_KEY', '')}",
    "Content-Type": "application/json",
}


class Unavailable(Exception):
    """No provider gave an answer. ``status`` is ours."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Retriable(Exception):
    """This attempt failed in a way that another one may heal."""


@dataclass
class Begun:
    """A provider's answer whose first bytes are there.

    ``refusal``: a 4xx that no retry can heal.
    """

    upstream: Upstream
    response: httpx.Response
    pieces: AsyncIterator[bytes]
    first: bytes


async def attempt(pool: Pool, body: bytes, tried: list[str]) -> Begun:
    """Ask one provider and wait for the first byte of its answer. Raises Retriable."""
    upstream = await pool.pick(tried)
    if upstream is None:
        raise Retriable("no provider may be asked now")
    tried.append(upstream.name)
    request = pool.client.build_request(
        "POST", f"{upstream.url}/chat/completions", content=body, headers=HEADERS
    )
    response = None
    try:
        async with asyncio.timeout(FIRST_BYTE_S):
            response = await pool.client.send(request, stream=True)
            if response.status_code == 429:
                await pool.rest(upstream, response.headers.get("retry-after", "1"))
                raise Retriable(f"{upstream.name} is at its limit")
            if response.status_code >= 500:
                upstream.failed()
                raise Retriable(f"{upstream.name} failed with {response.status_code}")
            pieces = response.aiter_bytes()
            first = await anext(pieces, b"")
            return Begun(upstream, response, pieces, first)
    except (TimeoutError, httpx.HTTPError) as error:
        upstream.failed(hung=isinstance(error, TimeoutError))
        await close(response)
        raise Retriable(f"{upstream.name} did not answer") from error
    except BaseException:
        upstream.probing = False
        await close(response)
        raise


async def close(response: httpx.Response | None) -> None:
    if response is not None:
        await response.aclose()


async def begin(pool: Pool, body: bytes) -> Begun:
    """Attempts until one begins.

    Raises Unavailable. For streams: nothing has reached the client yet.
    """
    async for begun in attempts(pool, body):
        return begun
    raise Unavailable(503, "no provider can be asked now")


async def whole(pool: Pool, body: bytes) -> tuple[int, bytes]:
    """(status, body) of a complete JSON answer. Until it is complete, it may be asked for again."""
    async for begun in attempts(pool, body):
        try:
            async with asyncio.timeout(BETWEEN_TOKENS_S):
                raw = begun.first + b"".join([piece async for piece in begun.pieces])
            if begun.response.status_code == 200:
                json.loads(raw)["usage"]
        except (TimeoutError, httpx.HTTPError, ValueError, KeyError):
            begun.upstream.failed()
            continue
        finally:
            await begun.response.aclose()
        begun.upstream.succeeded()
        return begun.response.status_code, raw
    raise Unavailable(503, "no provider can be asked now")


async def attempts(pool: Pool, body: bytes) -> AsyncIterator[Begun]:
    """One begun answer after another, with growing pauses, until the caller has what it wants.

    Raises Unavailable.
    """
    tried: list[str] = []
    deadline = time.monotonic() + DEADLINE_S
    pause = 0.02
    last = ""
    while len(tried) < ATTEMPTS and time.monotonic() < deadline:
        try:
            yield await attempt(pool, body, tried)
        except Retriable as problem:
            last = str(problem)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(0.4, pause * 2)
    raise Unavailable(502 if tried else 503, last or "no provider gave an answer")
