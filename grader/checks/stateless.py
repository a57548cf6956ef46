"""``stateless``: what one copy was told, every copy knows, also when the first one is gone."""

from __future__ import annotations

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send, unavailable
from grader.checks.outcome import counted, every, failed, passed
from grader.checks.waiting import ready_again
from grader.result import Measurement

UNIT = "reads through another copy"


class StatelessParams(Params):
    """``writes`` go to the copies in turn, past the balancer; then ``reads`` go to each of them.
    ``*_from``: 'module.function' of the lab.
    """

    writes: list[Case] = []
    writes_from: str = ""
    reads: list[Case] = []
    reads_from: str = ""
    kill: bool = True
    """Kill the copy that was written to first, and read from the others again."""


class Stateless(Check):
    id = "stateless"
    params_model = StatelessParams
    params: StatelessParams

    async def run(self, ctx: Context) -> Measurement:
        assert len(ctx.replicas) > 1, "stateless needs a lab with replicas"
        p, rule = self.params, every(UNIT)
        writes, reads = collect(ctx, p.writes, p.writes_from), collect(ctx, p.reads, p.reads_from)
        total = len(reads) * (2 * len(ctx.replicas) - 1 if p.kill else len(ctx.replicas))
        for number, case in enumerate(writes):
            name = ctx.replicas[number % len(ctx.replicas)]
            response = await send(ctx.target(name), case)
            if said := problem(case, response):
                message = f"{name}, asked past the balancer, {case.name()}: {said}."
                absent = unavailable(response)
                return failed(
                    message, counted(0, total, UNIT), rule, ADVICE, response, availability=absent
                )
        good, wrong = await self._read(ctx, reads, ctx.replicas, 0, total)
        if wrong is None and p.kill:
            first, *others = ctx.replicas
            await ctx.control("signal", first, signal="SIGKILL")
            try:
                good, wrong = await self._read(ctx, reads, tuple(others), good, total)
            finally:
                await ctx.control("restart", first)
                back = await ready_again(ctx, target=ctx.target(first))
            if wrong is None and back is None:
                message = f"{first} did not start again."
                return failed(message, counted(good, total, UNIT), rule, ADVICE, availability=True)
        return wrong or passed(
            "Every copy knows what any of them was told.", counted(good, total, UNIT), rule
        )

    @staticmethod
    async def _read(
        ctx: Context, reads: list[Case], names: tuple[str, ...], good: int, total: int
    ) -> tuple[int, Measurement | None]:
        """Reads from each copy: how many were right by now, and the failure if there was one."""
        for name in names:
            for case in reads:
                response = await send(ctx.target(name), case)
                if said := problem(case, response):
                    message = (
                        f"{name} does not know what the copies were told: {case.name()}: {said}."
                    )
                    measured, absent = counted(good, total, UNIT), unavailable(response)
                    return good, failed(
                        message, measured, every(UNIT), ADVICE, response, availability=absent
                    )
                good += 1
        return good, None


ADVICE = (
    "Keep nothing in the process that another request may need: write it to the shared store "
    "before you answer, and "
    "read it from there."
)
