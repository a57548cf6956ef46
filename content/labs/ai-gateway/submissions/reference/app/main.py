"""The HTTP side: routes, keys, bounds of the input, readiness, metrics."""

from __future__ import annotations

import hmac
import json
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field
from valkey.exceptions import ValkeyError

from app.policy import Policy
from app.relay import Unavailable, begin, whole
from app.stream import passed_on
from app.upstreams import Pool

ANSWERS = Counter("gateway_answers", "Answers by status", ["status"])


class Key(BaseModel):
    key: Annotated[str, Field(min_length=8, max_length=100)]
    rate: Annotated[float, Field(gt=0, le=1e6)]
    burst: Annotated[int, Field(ge=1, le=10**9)]
    quota: Annotated[int, Field(ge=1)] | None = None


class Keys(BaseModel):
    keys: Annotated[list[Key], Field(min_length=1, max_length=100)]


class Chat(BaseModel):
    """What we need to know; the body goes to the provider as it came."""

    model: Annotated[str, Field(min_length=1, max_length=100)]
    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=256)]
    max_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None
    stream: bool = False


class Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=400, max_keepalive_connections=60)
    policy = Policy(os.environ["VALKEY_URL"])
    # Deadlines are ours (relay.py); these only bound what they don't.
    async with httpx.AsyncClient(
        limits=limits, timeout=httpx.Timeout(30, connect=1), trust_env=False
    ) as client:
        app.state.policy, app.state.pool = policy, Pool(client, policy.db)
        yield
        await policy.db.aclose()


app = FastAPI(title="AI gateway", lifespan=lifespan)


def error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    ANSWERS.labels(str(status)).inc()
    return JSONResponse({"error": {"message": message}}, status, headers=headers)


@app.exception_handler(Refused)
async def refused(_: Request, problem: Refused) -> JSONResponse:
    return error(problem.status, str(problem), problem.headers)


@app.exception_handler(Unavailable)
async def unavailable(_: Request, problem: Unavailable) -> JSONResponse:
    return error(problem.status, str(problem), {"Retry-After": "1"})


@app.exception_handler(RequestValidationError)
async def malformed(_: Request, problem: RequestValidationError) -> JSONResponse:
    return error(400, str(problem.errors()[0].get("msg", "malformed"))[:200])


@app.exception_handler(ValkeyError)
async def no_state(_: Request, problem: ValkeyError) -> JSONResponse:
    return error(503, "the shared state does not answer", {"Retry-After": "1"})


def bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    ready = await request.app.state.policy.alive()
    return JSONResponse({"ready": ready}, 200 if ready else 503)


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.put("/admin/policy", status_code=204)
async def put_policy(request: Request, body: Keys) -> Response:
    if not hmac.compare_digest(bearer(request).encode(), os.environ["ADMIN_TOKEN"].encode()):
        raise Refused(401, "send the admin token")
    await request.app.state.policy.install([key.model_dump() for key in body.keys])
    return Response(status_code=204)


@app.get("/v1/usage")
async def usage(request: Request) -> dict[str, int]:
    policy: Policy = request.app.state.policy
    if not await policy.known(bearer(request)):
        raise Refused(401, "there is no such key")
    return await policy.usage(bearer(request))


async def admit(policy: Policy, key: str) -> None:
    """Take one request from the key. Raises Refused."""
    admission = await policy.admit(key)
    if admission.verdict == "unknown":
        raise Refused(401, "there is no such key")
    if admission.verdict == "quota":
        raise Refused(429, "the quota of this key is used up", {"Retry-After": "3600"})
    if admission.verdict == "rate":
        wait = max(1, math.ceil(admission.wait_s))
        raise Refused(429, "this key sends too fast", {"Retry-After": str(wait)})


@app.post("/v1/chat/completions")
async def chat(request: Request, body: Chat) -> Response:
    policy, pool, key = request.app.state.policy, request.app.state.pool, bearer(request)
    await admit(policy, key)
    raw = await request.body()
    if not body.stream:
        status, answer = await whole(pool, raw)
        if status == 200:
            await policy.count(key, json.loads(answer)["usage"])
        ANSWERS.labels(str(status)).inc()
        return Response(answer, status, media_type="application/json")
    begun = await begin(pool, raw)
    status = begun.response.status_code
    ANSWERS.labels(str(status)).inc()
    if status != 200:
        refusal = begun.first + b"".join([piece async for piece in begun.pieces])
        await begun.response.aclose()
        begun.upstream.succeeded()
        return Response(refusal, status, media_type="application/json")
    return StreamingResponse(passed_on(begun, policy, key), media_type="text/event-stream")
