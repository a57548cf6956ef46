"""``restart_persistence``: what was acknowledged is still there after the service was killed and
started again.
"""

from __future__ import annotations

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import counted, every, failed, passed
from grader.checks.waiting import ready_again
from grader.result import Measurement

UNIT = "acknowledged writes"


class PersistenceParams(Params):
    """Writes, then SIGKILL and start, then reads. ``*_from``: 'module.function' of the lab."""

    writes: list[Case] = []
    writes_from: str = ""
    reads: list[Case] = []
    reads_from: str = ""


class RestartPersistence(Check):
    id = "restart_persistence"
    params_model = PersistenceParams
    params: PersistenceParams

    async def run(self, ctx: Context) -> Measurement:
        rule = every(UNIT)
        writes = collect(ctx, self.params.writes, self.params.writes_from)
        reads = collect(ctx, self.params.reads, self.params.reads_from)
        for case in writes:
            response = await send(ctx.app, case)
            if said := problem(case, response):
                return failed(
                    f"{case.name()}: {said}.", counted(0, len(reads), UNIT), rule, ADVICE, response
                )
        for name in ctx.replicas:
            await ctx.control("signal", name, signal="SIGKILL")
        for name in ctx.replicas:
            await ctx.control("restart", name)
        if await ready_again(ctx) is None:
            message = "After a kill and a restart the service did not become ready again."
            return failed(message, counted(0, len(reads), UNIT), rule, ADVICE, availability=True)
        good = 0
        for case in reads:
            response = await send(ctx.app, case)
            if said := problem(case, response):
                message = f"After a kill and a restart, {case.name()}: {said}."
                return failed(message, counted(good, len(reads), UNIT), rule, ADVICE, response)
            good += 1
        return passed(
            "Everything acknowledged was there after a kill.", counted(good, len(reads), UNIT), rule
        )


ADVICE = (
    "Write to the database, or to /data where the lab gives one, before you answer; memory and "
    "/tmp are lost."
)
