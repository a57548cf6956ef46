"""``python -m grader.probe``: the process inside the pod."""

from __future__ import annotations

import traceback

import uvloop

from grader.probe.context import ProbeContext
from grader.probe.readiness import await_parties, await_replicas, strangers_served
from grader.probe.runner import grade
from grader.probe.strangers import Strangers
from grader.probe.wire import Wire
from grader.wire.probe import AwaitParties, Done, Fault, Listening, NotReadyNow, ReadyNow, Start


async def _serve(wire: Wire) -> None:
    first = await wire.receive()
    assert isinstance(first, AwaitParties)
    missing = await await_parties(first.parties, first.timeout_s)
    wire.send(
        Listening(missing=missing, open=[] if missing else await strangers_served(first.parties))
    )
    start = await wire.receive()
    assert isinstance(start, Start)
    ctx = ProbeContext(start, wire)
    targets = {name: ctx.target(name) for name in start.ports}
    known = set(start.ports.values()) - set(start.spec.app_ports.values())
    ready = await await_replicas(start.spec, targets, wire, known)
    if isinstance(ready, NotReadyNow):
        wire.send(ready)
    else:
        ctx.shared["readiness"] = ready
        wire.send(ReadyNow(seconds=round(ready.seconds, 3)))
        await _graded(start, ctx, wire)
    await ctx.close()
    wire.send(Done())


async def _graded(start: Start, ctx: ProbeContext, wire: Wire) -> None:
    if start.spec.baseline is None:
        await grade(start, ctx, wire)
        return
    with Strangers(start.ports[start.spec.baseline.name]) as strangers:
        await grade(start, ctx, wire, strangers)


async def main() -> None:
    wire = await Wire.over_stdio()
    try:
        await _serve(wire)
    except Exception:
        # Whatever leaves a check is our fault and must say so, with enough to mend it.
        wire.send(Fault(message=traceback.format_exc()[-4000:]))


if __name__ == "__main__":
    # A third less CPU per request than asyncio's own loop: less of the machine is the probe's, more
    # the learner's.
    uvloop.run(main())
