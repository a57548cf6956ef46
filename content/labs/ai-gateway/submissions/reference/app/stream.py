"""Passing a stream on.

After the first token nothing is asked for again: the client has seen half an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from app.policy import Policy
from app.relay import BETWEEN_TOKENS_S, Begun


async def passed_on(begun: Begun, policy: Policy, key: str) -> AsyncIterator[bytes]:
    """The provider's events as they come; when it breaks off, an error event and no [DONE]."""
    seen = Events()
    try:
        yield seen.take(begun.first)
        while piece := await asyncio.wait_for(anext(begun.pieces, b""), BETWEEN_TOKENS_S):
            yield seen.take(piece)
    except (TimeoutError, httpx.HTTPError):
        pass
    finally:
        await begun.response.aclose()
    if seen.done:
        begun.upstream.succeeded()
        await policy.count(key, seen.usage)
        return
    begun.upstream.failed()
    error = {
        "error": {
            "message": "the provider broke off in the middle of its answer",
            "type": "upstream_error",
        }
    }
    yield b"data: " + json.dumps(error).encode() + b"\n\n"


class Events:
    """Looks for usage and the end in the bytes that pass."""

    def __init__(self) -> None:
        self.usage: dict = {}
        self.done = False
        self._rest = b""

    def take(self, piece: bytes) -> bytes:
        """Note what is in the piece, and return it as it is."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.strip() == b"data: [DONE]":
                self.done = True
            elif b'"usage"' in line and line.startswith(b"data: "):
                self.usage = json.loads(line[6:]).get("usage") or self.usage
        return piece
