"""The hop behind: finds the article that fits, asks the model, hands on its tokens as lines of
JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from pydantic import BaseModel

from app import telemetry
from app.articles import best

app = FastAPI(title="Generator")
tracer = telemetry.start("generate")
client = httpx.AsyncClient(base_url=os.environ["MODEL_URL"], timeout=30, trust_env=False)


class Generate(BaseModel):
    question: str


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/generate")
async def generate(ask: Generate, request: Request) -> Response:
    span = tracer.start_span(
        "POST /generate", telemetry.W3C.extract(request.headers), SpanKind.SERVER
    )
    here = trace.set_span_in_context(span)
    with tracer.start_as_current_span("find article", here):
        messages = prompt(ask.question)
    call = tracer.start_span("chat model", here, SpanKind.CLIENT)
    pieces = spoken(messages, telemetry.onward(call))
    try:
        first = await anext(pieces)
    except httpx.HTTPError:
        call.end()
        span.end()
        return JSONResponse({"error": "the model did not answer"}, 502)
    return StreamingResponse(lines(first, pieces, [call, span]), media_type="application/x-ndjson")


def prompt(question: str) -> list[dict[str, str]]:
    system = "Answer from the article in a few words, or say NOT_FOUND."
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": f"{best(question)}\nQuestion: {question}"},
    ]


async def spoken(
    messages: list[dict[str, str]], headers: dict[str, str]
) -> AsyncIterator[dict[str, Any]]:
    """The model's tokens, then its usage. Raises httpx.HTTPError when it fails."""
    body = {
        "model": "assistant",
        "messages": messages,
        "max_tokens": 10,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with client.stream("POST", "/chat/completions", json=body, headers=headers) as response:
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


async def lines(
    first: dict[str, Any], rest: AsyncIterator[dict[str, Any]], spans: list[trace.Span]
) -> AsyncIterator[bytes]:
    try:
        yield line(first)
        async for piece in rest:
            yield line(piece)
    finally:
        for span in spans:
            span.end()


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
