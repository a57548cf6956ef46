"""Services and disturbers for the benches:

``python -m tests.bench.spinner serve UNITS`` or ``... hog SEED``.

``serve`` answers every request after UNITS rounds of hashing, so that the true ratio of two of them
is the ratio of
their units. ``hog`` burns one core in bursts of random length, as a neighbour on a shared machine
does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import sys
import time

BLOCK = bytes(1 << 16)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def spin(units: int) -> None:
    """About 40 microseconds a unit on a machine of 2024; only ratios matter."""
    for _ in range(units):
        hashlib.sha256(BLOCK).digest()


async def serve(units: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                spin(units)
                writer.write(ANSWER)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def hog(seed: str) -> None:
    rng = random.Random(seed)
    while True:
        until = time.perf_counter() + rng.uniform(0.05, 2.0)
        while time.perf_counter() < until:
            spin(10)
        time.sleep(rng.uniform(0.05, 2.0))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        hog(sys.argv[2])
