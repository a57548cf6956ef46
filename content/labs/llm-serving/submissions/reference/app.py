"""The HTTP side: an OpenAI-compatible chat endpoint with server-sent events."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, Literal

import uvicorn
from engine import CONTEXT, Engine, Full, Job
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest
from pydantic import BaseModel, Field

app = FastAPI()
engine = Engine()
REQUESTS = Counter("chat_requests_total", "Chat requests by outcome", ["outcome"])
Gauge("chat_running", "Requests that hold a slot").set_function(lambda: len(engine.running))
Gauge("chat_waiting", "Requests that wait for a slot").set_function(lambda: len(engine.waiting))
Gauge("chat_tokens_made", "Tokens made since the start").set_function(lambda: engine.tokens)
Gauge("chat_tokens_shared", "Prompt tokens taken from the cache").set_function(
    lambda: engine.shared
)


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=20000)


class Chat(BaseModel):
    messages: list[Message] = Field(min_length=1, max_length=100)
    max_tokens: int = Field(64, ge=1, le=512)
    temperature: float = Field(0, ge=0, le=0)
    stream: bool = False


def refusal(status: int, message: str, **headers: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status, headers)


@app.exception_handler(RequestValidationError)
async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    return refusal(400, f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}")


def turns(messages: list[Message]) -> str:
    return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)


def job_of(chat: Chat) -> Job:
    """The request in tokens; its leading system prompt is what other requests may share."""
    tokenize = engine.model.tokenize
    system = chat.messages[:1] if chat.messages[0].role == "system" else []
    prefix = tokenize(turns(system)) if system else []
    rest = tokenize(turns(chat.messages[len(system) :]) + "<|im_start|>assistant\n")
    return Job(prefix + rest, prefix, chat.max_tokens)


def usage(job: Job) -> dict[str, int]:
    made = job.count
    return {
        "prompt_tokens": len(job.prompt),
        "completion_tokens": made,
        "total_tokens": len(job.prompt) + made,
    }


async def pieces(job: Job) -> AsyncIterator[tuple[str, str | None]]:
    """What the engine makes, as it makes it. Leaving early gives the slot back."""
    try:
        while True:
            text, finish = await job.events.get()
            yield text, finish
            if finish:
                REQUESTS.labels("answered").inc()
                return
    finally:
        engine.cancel(job)


async def events(job: Job, head: dict[str, Any]) -> AsyncIterator[str]:
    async for text, finish in pieces(job):
        if text:
            choice: dict[str, Any] = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
        if finish:
            choice = {"index": 0, "delta": {}, "finish_reason": finish}
            yield f"data: {json.dumps({**head, 'choices': [choice], 'usage': usage(job)})}\n\n"
    yield "data: [DONE]\n\n"


async def whole(job: Job, request: Request) -> tuple[str, str | None]:
    """The whole answer, unless the client hangs up first."""

    async def collect() -> tuple[str, str | None]:
        made = [piece async for piece in pieces(job)]
        return "".join(text for text, _ in made), made[-1][1]

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answer, left = asyncio.ensure_future(collect()), asyncio.ensure_future(gone())
    await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if not answer.done():
        answer.cancel()
        engine.cancel(job)
        return "", None
    return answer.result()


@app.post("/v1/chat/completions")
async def chat(body: Chat, request: Request) -> Response:
    if not engine.ready.is_set():
        return refusal(503, "the model is still loading", **{"Retry-After": "2"})
    job = job_of(body)
    if len(job.prompt) + job.max_tokens > CONTEXT:
        return refusal(400, f"prompt and answer exceed {CONTEXT} tokens")
    try:
        engine.submit(job)
    except Full:
        REQUESTS.labels("refused").inc()
        return refusal(429, "all slots are taken, try again", **{"Retry-After": "1"})
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": "smollm2-135m-instruct",
    }
    if body.stream:
        return StreamingResponse(
            events(job, {**head, "object": "chat.completion.chunk"}), media_type="text/event-stream"
        )
    text, finish = await whole(job, request)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
    }
    return JSONResponse(
        {**head, "object": "chat.completion", "choices": [choice], "usage": usage(job)}
    )


@app.get("/healthz")
async def healthz() -> dict[str, bool]:
    return {"alive": True}


@app.get("/readyz")
async def readyz() -> Response:
    return (
        JSONResponse({"ready": True})
        if engine.ready.is_set()
        else refusal(503, "the model is still loading")
    )


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


if __name__ == "__main__":
    # uvicorn sends the signal to itself again once it is done; a clean stop should end with exit
    # code 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ["PORT"])
    uvicorn.run(app, host="0.0.0.0", port=port, log_level="warning", timeout_graceful_shutdown=8)
