"""What the engine does for each request of a check: one table, and the only place that knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from grader.engines.base import Pod
from grader.result import Frozen
from grader.wire import control as c


@dataclass(frozen=True, slots=True)
class EngineSide:
    """What requests are carried out on.

    ``command``: hands a payload to a sidecar and returns its answer.
    """

    pod: Pod
    stop_grace_s: float
    command: Callable[[str, dict[str, Any]], dict[str, Any]]


def _state(side: EngineSide, asked: c.State) -> Frozen:
    return c.StateReply(**asdict(side.pod.state(asked.party)))


def _stop(side: EngineSide, asked: c.Stop) -> Frozen:
    began = time.monotonic()
    grace_s = side.stop_grace_s if asked.grace_s is None else asked.grace_s
    state = side.pod.stop(asked.party, grace_s)
    return c.StoppedReply(**asdict(state), seconds=round(time.monotonic() - began, 3))


def _limit_memory(side: EngineSide, asked: c.LimitMemory) -> Frozen:
    megabytes = max(c.MIN_MEMORY_MB, asked.memory_mb)
    return c.HeldReply(held=side.pod.limit_memory(asked.party, megabytes))


def _logs(side: EngineSide, asked: c.Logs) -> Frozen:
    size = min(asked.max_bytes, c.MAX_LOG_BYTES)
    return c.LogsReply(text=side.pod.logs(asked.party, max_bytes=size, since_s=asked.since_s))


def _done(act: Callable[[EngineSide, Any], None]) -> Callable[[EngineSide, Any], Frozen]:
    """The request is carried out; there is nothing to tell."""

    def run(side: EngineSide, asked: Any) -> Frozen:
        act(side, asked)
        return c.Nothing()

    return run


ACTS: dict[type[c.Asked], Callable[[EngineSide, Any], Frozen]] = {
    c.State: _state,
    c.Stop: _stop,
    c.Signal: _done(lambda side, asked: side.pod.signal(asked.party, asked.signal)),
    c.Restart: _done(lambda side, asked: side.pod.restart(asked.party)),
    c.Pause: _done(lambda side, asked: side.pod.pause(asked.party)),
    c.Unpause: _done(lambda side, asked: side.pod.unpause(asked.party)),
    c.FillData: _done(lambda side, asked: side.pod.fill_data(asked.party)),
    c.FreeData: _done(lambda side, asked: side.pod.free_data(asked.party)),
    c.LimitMemory: _limit_memory,
    c.WeighAlike: _done(lambda side, asked: side.pod.weigh_alike(asked.party)),
    c.WeighAsBefore: _done(lambda side, asked: side.pod.weigh_as_before(asked.party)),
    c.Logs: _logs,
    c.Usage: lambda side, asked: c.UsageReply(**asdict(side.pod.usage(asked.party))),
    c.Command: lambda side, asked: c.CommandReply(data=side.command(asked.party, asked.payload)),
}


def obey(side: EngineSide, asked: c.Request) -> dict[str, Any]:
    """Carry out one request; the reply as it goes over the line.

    Raises SeatrialError when it can't be done.
    """
    return ACTS[type(asked)](side, asked).model_dump()
