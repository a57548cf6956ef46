"""The providers: which may be asked now, and what was learned from asking.

Retry-After is shared by all copies.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field

import httpx
import valkey.asyncio as valkey

FAILURES_TO_OPEN = 3
OPEN_S, LONGEST_OPEN_S = 4.0, 8.0
MAX_WAIT_S = 120.0


@dataclass
class Upstream:
    """One provider with its circuit breaker."""

    name: str
    url: str
    failures: int = 0
    opened: int = 0
    """How often in a row; each time the breaker stays open twice as long."""
    open_until: float = 0.0
    probing: bool = False

    def closed(self, now: float) -> bool:
        """Whether requests may go there.

        An open breaker lets one request through at a time once its time is over.
        """
        if self.failures < FAILURES_TO_OPEN:
            return True
        return now >= self.open_until and not self.probing

    def began(self) -> None:
        self.probing = self.failures >= FAILURES_TO_OPEN

    def succeeded(self) -> None:
        self.failures, self.opened, self.probing = 0, 0, False

    def failed(self, *, hung: bool = False) -> None:
        """A provider that does not answer at all ties up a request each time, so once is enough to
        open.
        """
        self.failures = FAILURES_TO_OPEN if hung else self.failures + 1
        self.probing = False
        if self.failures >= FAILURES_TO_OPEN:
            open_s = min(LONGEST_OPEN_S, OPEN_S * 2 ** min(self.opened, 8))
            self.open_until = time.monotonic() + open_s * random.uniform(0.9, 1.1)
            self.opened += 1


def from_env() -> list[Upstream]:
    """UPSTREAMS names the providers: name=url,name=url."""
    pairs = (item.partition("=") for item in os.environ["UPSTREAMS"].split(","))
    return [Upstream(name.strip(), url.strip().rstrip("/")) for name, _, url in pairs]


@dataclass
class Pool:
    """All providers. ``client`` is shared: connections are kept alive."""

    client: httpx.AsyncClient
    db: valkey.Valkey
    upstreams: list[Upstream] = field(default_factory=from_env)
    turn: int = 0

    async def pick(self, tried: list[str]) -> Upstream | None:
        """The next provider that may be asked, one that was not tried yet if there is one."""
        resting = await self._resting()
        now = time.monotonic()
        free = [u for u in self.upstreams if u.name not in resting and u.closed(now)]
        if not free:
            return None
        fresh = (
            [u for u in free if u.name not in tried]
            or [u for u in free if u.name != tried[-1]]
            or free
        )
        self.turn += 1
        chosen = fresh[self.turn % len(fresh)]
        chosen.began()
        return chosen

    async def _resting(self) -> set[str]:
        marks = await self.db.mget([f"rest:{u.name}" for u in self.upstreams])
        return {u.name for u, mark in zip(self.upstreams, marks, strict=True) if mark}

    async def rest(self, upstream: Upstream, retry_after: str) -> None:
        """Nobody asks this provider until Retry-After is over, neither this copy nor another."""
        try:
            wait = min(MAX_WAIT_S, max(0.05, float(retry_after)))
        except ValueError:
            wait = 1.0
        upstream.probing = False
        await self.db.set(f"rest:{upstream.name}", "1", px=int(wait * 1000) + 50)
