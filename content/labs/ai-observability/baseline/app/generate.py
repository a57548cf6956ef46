"""The hop behind: finds the article that fits, asks the model, hands on its tokens as lines of
JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from app.articles import best
from app.door import Door

app = FastAPI(title="Generator")
app.add_middleware(Door)
client = httpx.AsyncClient(base_url=os.environ["MODEL_URL"], timeout=30, trust_env=False)


class Generate(BaseModel):
    question: str


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/generate")
async def generate(ask: Generate) -> Response:
    pieces = spoken(prompt(ask.question))
    try:
        first = await anext(pieces)
    except httpx.HTTPError:
        return JSONResponse({"error": "the model did not answer"}, 502)
    return StreamingResponse(lines(first, pieces), media_type="application/x-ndjson")


def prompt(question: str) -> list[dict[str, str]]:
    system = "Answer from the article in a few words, or say NOT_FOUND."
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": f"{best(question)}\nQuestion: {question}"},
    ]


async def spoken(messages: list[dict[str, str]]) -> AsyncIterator[dict[str, Any]]:
    """The model's tokens, then its usage. Raises httpx.HTTPError when it fails."""
    body = {
        "model": "assistant",
        "messages": messages,
        "max_tokens": 10,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with client.stream("POST", "/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if chunk.get("usage"):
                yield {
                    "usage": {
                        name: chunk["usage"][name]
                        for name in ("prompt_tokens", "completion_tokens")
                    }
                }
            elif token := chunk["choices"][0]["delta"].get("content"):
                yield {"token": token}


async def lines(first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    yield line(first)
    async for piece in rest:
        yield line(piece)


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
