"""``python -m grader.sidecars.model_gateway``: the first line of stdin configures it, then commands come."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import uvicorn

from grader.sidecars.model_gateway.config import GatewayConfig
from grader.sidecars.model_gateway.embedding import Embedder
from grader.sidecars.model_gateway.faults import Rule
from grader.sidecars.model_gateway.server import Gateway

MAX_CONNECTIONS = 200


def obey(gateway: Gateway, payload: dict[str, Any]) -> dict[str, Any]:
    """One command. Raises ValueError (pydantic's too) for what is none."""
    match payload.get("command"):
        case "ledger":
            return gateway.ledger.reply(int(payload.get("since", 0)))
        case "faults":
            gateway.schedule.set([Rule.model_validate(rule) for rule in payload["rules"]])
        case "reset":
            gateway.ledger.reset()
            gateway.schedule.set([])
        case "ping":
            pass
        case other:
            raise ValueError(f"there is no command {other!r}")
    return {}


def answer(gateway: Gateway, message: dict[str, Any]) -> dict[str, Any]:
    """The reply line to a command line."""
    reply: dict[str, Any] = {"type": "reply", "id": message.get("id")}
    try:
        return {**reply, "ok": True, "data": obey(gateway, message["payload"])}
    except (ValueError, KeyError, TypeError) as error:
        return {**reply, "ok": False, "error": str(error)[:500]}


async def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but the line protocol may reach stdout
    lines: asyncio.StreamReader = asyncio.StreamReader(limit=4 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    start = json.loads(await lines.readline())
    embedder = Embedder()
    embedder.vector("warm up")
    gateway = Gateway(start["seed"], GatewayConfig.model_validate(start["config"]), embedder)
    server = uvicorn.Server(
        uvicorn.Config(
            gateway.app(),
            host="0.0.0.0",  # noqa: S104 - the pod has nothing but loopback addresses
            port=start["port"],
            log_level="warning",
            access_log=False,
            lifespan="off",
            limit_concurrency=MAX_CONNECTIONS,
            server_header=False,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    out.write(json.dumps({"type": "ready"}) + "\n")
    out.flush()
    while line := await lines.readline():
        out.write(json.dumps(answer(gateway, json.loads(line))) + "\n")
        out.flush()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
