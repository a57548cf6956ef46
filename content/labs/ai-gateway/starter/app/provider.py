"""One call to one provider: the first. Begin here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import httpx

URL = os.environ["UPSTREAMS"].split(",")[0].partition("=")[2]
HEADERS = {
    "Authorization": f"Bearer {os.environ['UPSTREAM_KEY']}",
    "Content-Type": "application/json",
}
client = httpx.AsyncClient(timeout=30, trust_env=False)


async def ask(body: bytes) -> tuple[int, bytes]:
    """(status, body) of the provider's answer."""
    try:
        response = await client.post(f"{URL}/chat/completions", content=body, headers=HEADERS)
    except httpx.HTTPError:
        return 502, b'{"error": {"message": "the provider did not answer"}}'
    return response.status_code, response.content


async def stream(body: bytes) -> AsyncIterator[bytes]:
    """The provider's events as they come."""
    async with client.stream(
        "POST", f"{URL}/chat/completions", content=body, headers=HEADERS
    ) as response:
        async for piece in response.aiter_bytes():
            yield piece
