"""A gateway in this process, with an embedder that needs no model: words are the dimensions."""

from __future__ import annotations

import asyncio
import math
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from grader.http.client import Target
from grader.sidecars.asgi import BoundedProtocol
from grader.sidecars.model_gateway.app import Gateway
from grader.sidecars.model_gateway.kind import GatewayConfig


class WordVector(Counter[str]):
    """A unit vector over words."""

    def __matmul__(self, other: WordVector) -> float:
        size = math.sqrt(sum(n * n for n in self.values()) * sum(n * n for n in other.values()))
        return sum(n * other[word] for word, n in self.items()) / size if size else 0.0

    def __iter__(self) -> Any:
        return iter([float(n) for n in self.values()])


class WordEmbedder:
    """Cosine of shared words (their first five letters); a token is a word or a sign."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[WordVector]:
        self.embedded.extend(texts)
        return [
            WordVector(word[:5] for word in re.findall(r"[a-z]+", text.lower())) for text in texts
        ]

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[Target]:
    """The gateway on a free port of this host, with the protocol class that it has in its
    container.
    """
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        gateway, http=BoundedProtocol, ws="none", lifespan="off", log_level="warning"
    )  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    target = Target("models", "127.0.0.1", sock.getsockname()[1])
    try:
        yield target
    finally:
        await target.close()
        server.should_exit = server.force_exit = True
        await task


async def arriving(
    target: Target, path: str, raw: bytes, headers: dict[str, str]
) -> AsyncIterator[bytes]:
    """The pieces of an answer to POST, each as it arrives."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    def seen(piece: bytes) -> bool:
        pieces.put_nowait(piece)
        return False

    asking = asyncio.ensure_future(
        target.request("POST", path, body=raw, headers=headers, stop_when=seen)
    )
    asking.add_done_callback(lambda _: pieces.put_nowait(b""))
    while piece := await pieces.get():
        yield piece
    await asking


def gateway(seed: str = "seed", **config: Any) -> Gateway:
    fast = {"ttft_ms": 5, "itl_ms": 1}
    models = {"reader": fast, "stream": {"kind": "stream", "ttft_ms": 20, "itl_ms": 20}}
    return Gateway(seed, GatewayConfig.model_validate({"models": models, **config}), WordEmbedder())
