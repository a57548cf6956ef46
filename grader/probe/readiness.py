"""Waiting for parties: sidecars before the learner's code starts, then the learner's service
itself.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from grader.http.client import Target
from grader.http.response import Response
from grader.lab import LabSpec
from grader.probe.wire import Wire
from grader.wire.control import ControlError
from grader.wire.probe import Awaited, NotReadyNow

SHORTEST_S, LONGEST_S = 0.01, 0.1
LISTEN_STATE = "0A"
FORBIDDEN = 403
LAST_LINES, LAST_BYTES = 3, 600
"""Of a log: what stands in the reason of a service that ended by itself."""


def pause_s(waited_s: float) -> float:
    """Seconds until the next look at a party that has been waited for so long: a tenth of that.

    A service that starts in 0.3 s does not cost a run another 0.1 s, and one that loads a model is
    not pestered.
    """
    return min(LONGEST_S, max(SHORTEST_S, waited_s / 10))


async def await_parties(parties: dict[str, Awaited], timeout_s: float) -> list[str]:
    """Names of the parties that did not come up within ``timeout_s``."""

    async def up(name: str, awaited: Awaited) -> None:
        target = Target(name, name, awaited.port)
        began = time.perf_counter()
        while True:
            if awaited.ready_path is None:
                try:
                    await target.warm(1)
                    break
                except OSError:
                    pass
            elif (
                await target.request("GET", awaited.ready_path, timeout_s=2, fresh=True)
            ).status == 200:
                break
            await asyncio.sleep(pause_s(time.perf_counter() - began))
        await target.close()

    tasks = {name: asyncio.create_task(up(name, awaited)) for name, awaited in parties.items()}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=timeout_s)
    missing = [name for name, task in tasks.items() if not task.done()]
    for task in tasks.values():
        task.cancel()
    return missing


async def strangers_served(parties: dict[str, Awaited]) -> list[str]:
    """Names of the parties that should be closed and did not answer 403 to a request without their
    key.
    """
    found = []
    for name, awaited in parties.items():
        if awaited.closed:
            target = Target(name, name, awaited.port)
            if (
                await target.request("POST", "/anything", json={}, timeout_s=10, fresh=True)
            ).status != FORBIDDEN:
                found.append(name)
    return found


@dataclass(slots=True)
class Readiness:
    """What was seen until the service said it was ready.

    ``statuses``: every status in order, without repeats.
    """

    seconds: float = 0.0
    statuses: list[int] = field(default_factory=list)
    last: Response | None = None


async def await_replicas(
    spec: LabSpec, targets: dict[str, Target], wire: Wire, known_ports: set[int]
) -> Readiness | NotReadyNow:
    """Wait for every copy of the service, then for the balancer in front of them.

    What the first copy did is told.
    """
    first: Readiness | None = None
    for name in spec.app_ports:
        ready = await await_app(spec, targets[name], wire, known_ports)
        if isinstance(ready, NotReadyNow):
            return ready
        first = first or ready
    assert first is not None
    if spec.replicas is not None:
        front = await await_app(spec, targets[spec.service.name], wire, known_ports)
        if isinstance(front, NotReadyNow):
            return front
    return first


async def await_app(
    spec: LabSpec, app: Target, wire: Wire, known_ports: set[int]
) -> Readiness | NotReadyNow:
    """Poll the service's ready path until it answers 200, exits, or runs out of time."""
    seen = Readiness()
    began = time.perf_counter()
    next_state = began + 1.0
    while (elapsed := time.perf_counter() - began) < spec.limits.ready_s:
        response = await app.request(
            "GET", spec.service.ready_path, timeout_s=5, fresh=True, max_body=65536
        )
        seen.last = response
        if response.status is not None and seen.statuses[-1:] != [response.status]:
            seen.statuses.append(response.status)
        if response.status == 200 and not response.error:
            seen.seconds = elapsed
            return seen
        if time.perf_counter() > next_state:
            state = await wire.control("state", app.name, {})
            if not state["running"]:
                return await _exited(state, app.name, wire)
            next_state = time.perf_counter() + 1.0
        await asyncio.sleep(pause_s(time.perf_counter() - began))
    return _never_ready(spec, app.port, seen, known_ports)


async def _exited(state: dict[str, object], name: str, wire: Wire) -> NotReadyNow:
    if state["oom_killed"]:
        return NotReadyNow(
            reason="Your service was killed while starting: it used more memory than its limit.",
            advice="Load less at start-up, or load it once instead of once per worker process. The log shows how far "
            "it came.",
        )
    code = "an unknown code" if state["exit_code"] is None else f"code {state['exit_code']}"
    said = await _last_lines(name, wire)
    return NotReadyNow(
        reason=f"Your service exited with {code} before it was ready."
        + (f" It last said: {said}" if said else ""),
        advice="Read the end of the log below, and run the image locally with the same read-only settings: "
        "docker run --read-only --tmpfs /tmp --user 10001 -e PORT=8080.",
    )


async def _last_lines(name: str, wire: Wire) -> str:
    """The end of what the service printed, on one line; empty when the engine has nothing."""
    try:
        log = str((await wire.control("logs", name, {"max_bytes": LAST_BYTES}))["text"])
    except ControlError:
        return ""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return " / ".join(lines[-LAST_LINES:])[-LAST_BYTES:]


def _never_ready(spec: LabSpec, port: int, seen: Readiness, known_ports: set[int]) -> NotReadyNow:
    path, limit = spec.service.ready_path, spec.limits.ready_s
    last = seen.last
    exchange = last.exchange() if last is not None else None
    if last is not None and last.status is not None:
        return NotReadyNow(
            reason=(
                f"GET {path} never answered 200 within {limit} s; its last status was "
                f"{last.status}."
            ),
            advice=f"Answer 503 on {path} while warming up and 200 as soon as requests can be served.",
            exchange=exchange,
        )
    others = [address for address in listeners() if address[1] not in known_ports]
    elsewhere = [f"{host}:{number}" for host, number in others if number != port]
    if any(number == port for _, number in others) and last is not None and "connect" in last.error:
        reason = f"Your service listens on port {port}, but only on {others[0][0]}."
        advice = "Listen on 0.0.0.0, not on 127.0.0.1: other parties come from other addresses."
    elif elsewhere:
        reason = (
            f"Nothing listens on port {port}; your service listens on {', '.join(elsewhere[:4])}."
        )
        advice = f"Listen on 0.0.0.0 and on the port in $PORT (here {port})."
    elif last is not None and "connect" not in last.error:
        reason = (
            f"Something listens on port {port}, but GET {path} got no HTTP answer: {last.error}."
        )
        advice = "Speak HTTP/1.1 on this port, and answer within 5 s."
    else:
        reason = f"Nothing listened on port {port} within {limit} s."
        advice = (
            "Start a server on 0.0.0.0:$PORT. The log below shows what your container did instead."
        )
    return NotReadyNow(reason=reason, advice=advice, exchange=exchange)


def listeners() -> list[tuple[str, int]]:
    """(address, port) of every listening TCP socket of the pod, from the kernel's own table."""
    out: list[tuple[str, int]] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:2000]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] == LISTEN_STATE:
                address, _, port = fields[1].partition(":")
                out.append((_address(address), int(port, 16)))
    return sorted(set(out), key=lambda pair: pair[1])


def _address(text: str) -> str:
    if len(text) == 8:
        return ".".join(str(b) for b in reversed(bytes.fromhex(text)))
    return "[::]" if set(text) == {"0"} else "[IPv6]"
