"""Keys and usage in Valkey, which both copies of the gateway share.

Limits are stored; nothing enforces them yet.
"""

from __future__ import annotations

import os

import valkey.asyncio as valkey

db = valkey.Valkey.from_url(os.environ["VALKEY_URL"], decode_responses=True, socket_timeout=2)


async def alive() -> bool:
    try:
        return bool(await db.ping())
    except valkey.ValkeyError:
        return False


async def install(keys: list[dict]) -> None:
    for item in keys:
        quota = -1 if item["quota"] is None else item["quota"]
        await db.hset(
            f"key:{item['key']}",
            mapping={"rate": item["rate"], "burst": item["burst"], "quota": quota},
        )


async def known(key: str) -> bool:
    return bool(await db.exists(f"key:{key}"))


async def usage(key: str) -> dict[str, int]:
    """Requests are counted; tokens are not yet."""
    return {
        "requests": int(await db.get(f"requests:{key}") or 0),
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }


async def count(key: str) -> None:
    await db.incr(f"requests:{key}")
