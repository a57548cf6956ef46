"""The time as the lab wants it, over HTTP for services and by command for checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from grader.result import Frozen
from grader.sidecars.asgi import Exchange, Receive, Scope, Send
from grader.sidecars.clock.kind import ClockConfig


class ClockState(Frozen):
    """A command.

    ``offset_s`` is added to the time, ``rate`` is how fast it runs; without both it is right again.
    """

    command: Literal["clock"]
    offset_s: float = Field(0, ge=-1e9, le=1e9)
    rate: float = Field(1, ge=0, le=1000)


class Clock:
    """``GET /now`` answers {"unix": seconds, "iso": RFC 3339}."""

    def __init__(
        self,
        config: ClockConfig,
        real: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steady = steady
        self._origin = (steady(), config.start if config.start is not None else real())
        self._since, self._base, self._rate = *self._origin, 1.0

    def now(self) -> float:
        """Unix seconds."""
        return self._base + (self._steady() - self._since) * self._rate

    def obey(self, payload: Any) -> dict[str, Any]:
        """Set the clock. Raises ValueError (of pydantic) for anything else."""
        state = ClockState.model_validate(payload)
        at = self._steady()
        began, shown = self._origin
        right = shown + (at - began)
        self._since, self._base, self._rate = at, right + state.offset_s, state.rate
        return {"unix": self.now()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        if exchange.method != "GET" or exchange.path != "/now":
            await exchange.json(404, {"error": "GET /now"})
            return
        unix = self.now()
        iso = datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
        await exchange.json(200, {"unix": round(unix, 3), "iso": iso})
