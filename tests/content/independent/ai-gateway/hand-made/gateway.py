"""A right gateway of another make: a bare ASGI function, optimistic transactions in Valkey, leaky
breakers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter

import httpx
import uvicorn
import valkey.asyncio as valkey

NAMES, URLS = zip(*(pair.split("=", 1) for pair in os.environ["UPSTREAMS"].split(",")), strict=True)
ADMIN, UPSTREAM_KEY = os.environ["ADMIN_TOKEN"], os.environ["UPSTREAM_KEY"]
DB = valkey.Valkey.from_url(os.environ["VALKEY_URL"], decode_responses=True, max_connections=80)
HTTP = httpx.AsyncClient(
    timeout=httpx.Timeout(2.5, connect=1), limits=httpx.Limits(max_connections=300)
)
shut: dict[str, float] = {}
failures: dict[str, int] = {}
count = Counter()


class Refuse(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status, self.message = status, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


async def admit(key: str) -> None:
    """Take one request, by watching the key's row and trying again when the other copy was
    faster.
    """
    for _ in range(60):
        async with DB.pipeline(transaction=True) as pipe:
            await pipe.watch(f"key:{key}", f"used:{key}")
            limits, state = await pipe.hgetall(f"key:{key}"), await pipe.hgetall(f"used:{key}")
            if not limits:
                raise Refuse(401, "no such key")
            seconds, micro = await pipe.time()
            now, used = seconds + micro / 1e6, int(state.get("used", 0))
            if limits["quota"] != "none" and used >= int(limits["quota"]):
                raise Refuse(429, "quota used up")
            rate, burst = float(limits["rate"]), float(limits["burst"])
            level = min(
                burst, float(state.get("level", burst)) + (now - float(state.get("at", now))) * rate
            )
            if level < 1:
                raise Refuse(429, "too fast", retry_after=str(int((1 - level) / rate) + 1))
            pipe.multi()
            pipe.hset(f"used:{key}", mapping={"used": used + 1, "level": level - 1, "at": now})
            try:
                await pipe.execute()
                return
            except valkey.WatchError:
                await asyncio.sleep(0)
    raise Refuse(503, "busy", retry_after="1")


async def choose(tried: list[str]) -> int | None:
    now = time.time()
    rests = await DB.mget([f"rest:{name}" for name in NAMES])
    free = [n for n, name in enumerate(NAMES) if not rests[n] and shut.get(name, 0) <= now]
    free = [n for n in free if NAMES[n] not in tried] or free
    if not free:
        return None
    count["turn"] += 1
    chosen = free[count["turn"] % len(free)]
    if failures.get(NAMES[chosen], 0) >= 3:
        shut[NAMES[chosen]] = now + 3.5  # one request tries; the others stay away until it is back
    return chosen


def well(name: str) -> None:
    failures[name], shut[name] = 0, 0


def bad(name: str, count: int = 1) -> None:
    failures[name] = failures.get(name, 0) + count
    if failures[name] >= 3:
        shut[name] = time.time() + 3.5


async def answers(raw: bytes):
    """Yields (provider, response with its head) until the caller is content."""
    tried: list[str] = []
    deadline = time.monotonic() + 8
    while len(tried) < 6 and time.monotonic() < deadline:
        n = await choose(tried)
        if n is None:
            await asyncio.sleep(0.1)
            continue
        tried.append(NAMES[n])
        headers = {"Authorization": f"Bearer {UPSTREAM_KEY}", "Content-Type": "application/json"}
        request = HTTP.build_request(
            "POST", URLS[n] + "/chat/completions", content=raw, headers=headers
        )
        try:
            async with asyncio.timeout(1.5):
                response = await HTTP.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError):
            bad(NAMES[n], 3)
            continue
        if response.status_code == 429:
            rest = float(response.headers.get("retry-after", 1))
            await DB.set(f"rest:{NAMES[n]}", 1, px=int(rest * 1000) + 100)
            await response.aclose()
        elif response.status_code >= 500:
            bad(NAMES[n])
            await response.aclose()
        else:
            yield NAMES[n], response
    raise Refuse(502, "no provider gave an answer")


async def book(key: str, usage: dict) -> None:
    async with DB.pipeline(transaction=True) as pipe:
        pipe.hincrby(f"usage:{key}", "requests", 1)
        for name in ("prompt_tokens", "completion_tokens"):
            pipe.hincrby(f"usage:{key}", name, int(usage[name]))
        await pipe.execute()


async def reply(
    send, status: int, value, headers: dict | None = None, kind: str = "application/json"
) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    fields = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    fields += [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def read_chat(raw: bytes) -> dict:
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refuse(400, "not JSON") from None
    messages, most = (
        (body.get("messages"), body.get("max_tokens")) if isinstance(body, dict) else (None, None)
    )
    if (
        not isinstance(messages, list)
        or not 1 <= len(messages) <= 256
        or not isinstance(body.get("model"), str)
    ):
        raise Refuse(400, "send model and messages")
    if (
        not all(isinstance(m, dict) for m in messages)
        or type(body.get("stream", False)) is not bool
    ):
        raise Refuse(400, "messages are objects, stream is true or false")
    if most is not None and (type(most) is not int or not 1 <= most <= 4096):
        raise Refuse(400, "max_tokens is an integer from 1 to 4096")
    return body


async def chat(key: str, raw: bytes, send) -> None:
    if not await DB.exists(f"key:{key}"):
        raise Refuse(401, "no such key")
    body = read_chat(raw)
    await admit(key)
    async for name, response in answers(raw):
        if body.get("stream") and response.status_code == 200:
            if await stream(key, name, response, send):
                return
            continue
        try:
            async with asyncio.timeout(3):
                whole = await response.aread()
            if response.status_code == 200:
                usage = json.loads(whole)["usage"]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError):
            bad(name)
            continue
        finally:
            await response.aclose()
        well(name)
        if response.status_code == 200:
            await book(key, usage)
        return await reply(send, response.status_code, whole)


async def stream(key: str, name: str, response, send) -> bool:
    """True once something has reached the client: then nobody is asked again."""
    begun, tail, usage = False, b"", {}
    try:
        async for piece in response.aiter_raw():
            if not begun:
                fields = [(b"content-type", b"text/event-stream")]
                await send({"type": "http.response.start", "status": 200, "headers": fields})
                begun = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            tail += piece
    except httpx.HTTPError:
        pass
    finally:
        await response.aclose()
    if not begun:
        bad(name)
        return False
    done = b"data: [DONE]" in tail[-200:]
    for line in tail.split(b"\n"):
        if line.startswith(b"data: {") and b'"usage"' in line:
            usage = json.loads(line[6:]).get("usage") or usage
    if done and usage:
        await book(key, usage)
        well(name)
    else:
        bad(name)
        broken = b'data: {"error": {"message": "the provider broke off"}}\n\n'
        await send({"type": "http.response.body", "body": broken, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return True


async def policy(raw: bytes, send) -> None:
    try:
        keys = json.loads(raw)["keys"]
        rows = [(k["key"], float(k["rate"]), int(k["burst"]), k.get("quota")) for k in keys]
        if not 1 <= len(rows) <= 100 or not all(
            isinstance(row[0], str) and len(row[0]) >= 8 for row in rows
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Refuse(400, "send keys with key, rate, burst and quota") from None
    async with DB.pipeline(transaction=True) as pipe:
        for key, rate, burst, quota in rows:
            mapping = {
                "rate": rate,
                "burst": burst,
                "quota": "none" if quota is None else int(quota),
            }
            pipe.hset(f"key:{key}", mapping=mapping)
        await pipe.execute()
    await reply(send, 200, {"installed": len(rows)})


async def usage_of(key: str, send) -> None:
    if not await DB.exists(f"key:{key}"):
        raise Refuse(401, "no such key")
    found = await DB.hgetall(f"usage:{key}")
    await reply(
        send,
        200,
        {n: int(found.get(n, 0)) for n in ("requests", "prompt_tokens", "completion_tokens")},
    )


async def ready(send) -> None:
    try:
        await DB.ping()
        await reply(send, 200, {"ready": True})
    except valkey.ValkeyError:
        await reply(send, 503, {"ready": False})


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    count["served"] += 1
    headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else ""
    raw = await body_of(receive)
    try:
        match scope["method"], scope["path"]:
            case "GET", "/healthz":
                await reply(send, 200, {"ok": True})
            case "GET", "/readyz":
                await ready(send)
            case "GET", "/metrics":
                text = (
                    "# TYPE gateway_requests_total counter\ngateway_requests_total "
                    f"{count['served']}\n"
                )
                await reply(send, 200, text.encode(), kind="text/plain; version=0.0.4")
            case "PUT", "/admin/policy":
                if token != ADMIN:
                    raise Refuse(401, "not the admin token")
                await policy(raw, send)
            case "GET", "/v1/usage":
                await usage_of(token, send)
            case "POST", "/v1/chat/completions":
                await chat(token, raw, send)
            case _:
                raise Refuse(404, "no such route")
    except Refuse as refused:
        await reply(send, refused.status, {"error": {"message": refused.message}}, refused.headers)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    port = int(os.environ["PORT"])
    uvicorn.run(
        app,
        host="0.0.0.0",
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=8,
        lifespan="off",
    )
