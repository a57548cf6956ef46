"""The HTTP side: routes, keys, bounds of the input, readiness, metrics."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field

from app import provider, state

ANSWERS = Counter("gateway_answers", "Answers by status", ["status"])
app = FastAPI(title="AI gateway")


class Key(BaseModel):
    key: Annotated[str, Field(min_length=8, max_length=100)]
    rate: Annotated[float, Field(gt=0, le=1e6)]
    burst: Annotated[int, Field(ge=1, le=10**9)]
    quota: Annotated[int, Field(ge=1)] | None = None


class Keys(BaseModel):
    keys: Annotated[list[Key], Field(min_length=1, max_length=100)]


class Chat(BaseModel):
    model: Annotated[str, Field(min_length=1, max_length=100)]
    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=256)]
    max_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None
    stream: bool = False


def error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)


@app.exception_handler(RequestValidationError)
async def malformed(_: Request, problem: RequestValidationError) -> JSONResponse:
    return error(400, str(problem.errors()[0].get("msg", "malformed"))[:200])


def bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
async def readyz() -> JSONResponse:
    ready = await state.alive()
    return JSONResponse({"ready": ready}, 200 if ready else 503)


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.put("/admin/policy", status_code=204)
async def put_policy(request: Request, body: Keys) -> Response:
    if bearer(request) != os.environ["ADMIN_TOKEN"]:
        return error(401, "send the admin token")
    await state.install([key.model_dump() for key in body.keys])
    return Response(status_code=204)


@app.get("/v1/usage", response_model=None)
async def usage(request: Request) -> dict[str, int] | JSONResponse:
    if not await state.known(bearer(request)):
        return error(401, "there is no such key")
    return await state.usage(bearer(request))


@app.post("/v1/chat/completions")
async def chat(request: Request, body: Chat) -> Response:
    key = bearer(request)
    if not await state.known(key):
        return error(401, "there is no such key")
    raw = await request.body()
    await state.count(key)
    if body.stream:
        return StreamingResponse(provider.stream(raw), media_type="text/event-stream")
    status, answer = await provider.ask(raw)
    ANSWERS.labels(str(status)).inc()
    return Response(answer, status, media_type="application/json")
