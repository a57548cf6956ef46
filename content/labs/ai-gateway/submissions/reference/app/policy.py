"""Keys, rates, quotas and usage in Valkey, which all copies of the gateway share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import valkey.asyncio as valkey

# One script, so one step: two copies that ask at once can't both take the last request of a quota.
# The clock is the server's, so that the copies need not agree on the time. Fractions go back as
# text: numbers would be cut to integers.
ADMIT = """
local policy = redis.call('HMGET', KEYS[1], 'rate', 'burst', 'quota')
if not policy[1] then return {'unknown', '0'} end
local rate, burst, quota = tonumber(policy[1]), tonumber(policy[2]), tonumber(policy[3])
local used = tonumber(redis.call('HGET', KEYS[2], 'used') or '0')
if quota >= 0 and used >= quota then return {'quota', '0'} end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local state = redis.call('HMGET', KEYS[2], 'level', 'at')
local level = math.min(burst, tonumber(state[1] or burst) + (now - tonumber(state[2] or now)) * rate)
if level < 1 then return {'rate', tostring((1 - level) / rate)} end
redis.call('HSET', KEYS[2], 'level', string.format('%.6f', level - 1), 'at', string.format('%.6f', now))
redis.call('HINCRBY', KEYS[2], 'used', 1)
return {'ok', '0'}
"""
COUNTED = ("requests", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class Admission:
    """``verdict``: ok, unknown (no such key), quota or rate."""

    verdict: str
    wait_s: float


def name_of(kind: str, key: str) -> str:
    """The name in Valkey. Keys are secrets, so they are not stored as they are."""
    return f"{kind}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


class Policy:
    def __init__(self, url: str) -> None:
        self.db = valkey.Valkey.from_url(
            url,
            decode_responses=True,
            socket_timeout=2,
            socket_connect_timeout=2,
            max_connections=64,
        )
        self._admit = self.db.register_script(ADMIT)

    async def alive(self) -> bool:
        try:
            return bool(await self.db.ping())
        except valkey.ValkeyError:
            return False

    async def install(self, keys: list[dict]) -> None:
        async with self.db.pipeline(transaction=True) as pipe:
            for item in keys:
                quota = -1 if item["quota"] is None else item["quota"]
                mapping = {"rate": repr(item["rate"]), "burst": item["burst"], "quota": quota}
                pipe.hset(name_of("policy", item["key"]), mapping=mapping)
            await pipe.execute()

    async def admit(self, key: str) -> Admission:
        """Take one request from the key's bucket and quota."""
        verdict, wait = await self._admit(keys=[name_of("policy", key), name_of("state", key)])
        return Admission(verdict, float(wait))

    async def known(self, key: str) -> bool:
        return bool(await self.db.exists(name_of("policy", key)))

    async def count(self, key: str, usage: dict) -> None:
        """Add a complete answer to the key's usage, with the tokens that the provider metered."""
        name = name_of("usage", key)
        async with self.db.pipeline(transaction=True) as pipe:
            pipe.hincrby(name, "requests", 1)
            for field in COUNTED[1:]:
                pipe.hincrby(name, field, int(usage.get(field, 0)))
            await pipe.execute()

    async def usage(self, key: str) -> dict[str, int]:
        values = await self.db.hmget(name_of("usage", key), COUNTED)
        return {field: int(value or 0) for field, value in zip(COUNTED, values, strict=True)}
