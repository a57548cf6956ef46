"""The hop that users talk to: checks the request, streams the generator's answer as server-sent
events.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

GENERATOR = f"http://127.0.0.1:{os.environ['GENERATE_PORT']}"
RULES = Path(__file__).parents[1] / "rules.yml"
app = FastAPI(title="Assistant")
client = httpx.AsyncClient(base_url=GENERATOR, timeout=30, trust_env=False)


class Ask(BaseModel):
    user: Annotated[str, Field(min_length=1, max_length=100)]
    question: Annotated[str, Field(min_length=1, max_length=2000)]


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
async def readyz() -> JSONResponse:
    try:
        ready = (await client.get("/healthz")).status_code == 200
    except httpx.HTTPError:
        ready = False
    return JSONResponse({"ready": ready}, 200 if ready else 503)


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/rules.yml")
async def rules() -> Response:
    return Response(RULES.read_bytes(), media_type="application/yaml")


@app.post("/v1/answer")
async def answer(ask: Ask) -> Response:
    print(f"{ask.user} asks: {ask.question}", flush=True)
    pieces = generated(ask)
    try:
        first = await anext(pieces)
    except httpx.HTTPError:
        return JSONResponse({"error": {"message": "the model did not answer"}}, 502)
    return StreamingResponse(events(first, pieces), media_type="text/event-stream")


async def generated(ask: Ask) -> AsyncIterator[dict[str, Any]]:
    """What the generator says, piece by piece. Raises httpx.HTTPError when it fails."""
    async with client.stream("POST", "/generate", json={"question": ask.question}) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            yield json.loads(line)


async def events(
    first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[bytes]:
    """Server-sent events: a token each, then a last one with the usage."""
    text, piece = "", first
    try:
        while "token" in piece:
            text += piece["token"]
            yield event(piece)
            piece = await anext(rest)
        yield event(
            {"done": True, "abstained": text.strip() == "NOT_FOUND", "usage": piece["usage"]}
        )
    except httpx.HTTPError:
        yield event({"error": {"message": "the model broke off"}})


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
