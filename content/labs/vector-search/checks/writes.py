"""Memory while vectors are stored, and what is left of acknowledged writes after a kill and a
restart.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
from lab_checks import corpus as corpora
from lab_checks.asking import Found, Loaded, loaded, query, search, write

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Response,
    Rule,
    counted,
    failed,
    passed,
)

WRITERS, WRITES_S = 3, 1.2
BACK_S = 30.0
NEWEST, OLDER = 60, 40
"""So many acknowledged writes are searched for after a fault: the newest are at risk, of the others
some.
"""
AROUND, NEAR, SURE = 8, 0.5, 3
"""So many more searches for one that was not found, from vectors this far away (in standard
deviations of a number): it is still by far the nearest, at a cosine of 0.9. Once three are lost,
the others need no such care.
"""


class MemoryParams(Params):
    of_raw: float


class Memory(Check):
    """Growth of the peak between a quarter and all of the corpus, as the engine reports it."""

    id = "memory"
    params_model = MemoryParams
    params: MemoryParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        limit = self.params.of_raw
        grown = max(0, data.peaks[1] - data.peaks[0])
        ratio = grown / data.stored_bytes
        text = f"{ratio:.2f} × raw vectors ({grown / 1e6:.1f} of {data.stored_bytes / 1e6:.1f} MB)"
        measured = Measured(value=round(ratio, 3), unit="ratio", text=text)
        rule = Rule(
            op="at_most",
            threshold=limit,
            unit="ratio",
            text=f"at most {limit:g} × the raw vectors",
        )
        message = (
            f"While {data.stored_bytes / 1e6:.1f} MB of vectors were stored, the service grew by "
            f"{grown / 1e6:.1f} MB."
        )
        if ratio <= limit:
            return passed(message, measured, rule)
        return failed(
            message,
            measured,
            rule,
            "Keep no copy of the vectors in the process: the database has them and their index.",
        )


class Durability(Check):
    """Kill the service between two writes, restart the database, and search for what was
    acknowledged.
    """

    id = "durability"

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        rule = Rule(op="none", unit="writes", text="no acknowledged write lost")
        lost: list[tuple[str, str, Response]] = []
        total = looked = 0
        for fault, party in (
            ("the service was killed", ctx.spec.service.name),
            ("the database was restarted", "db"),
        ):
            kept = await self._written_until(ctx, party, total)
            total += len(kept)
            if broken := await _back(ctx, data):
                message = f"After {fault}, a search did not work again within {BACK_S:.0f} s."
                advice = (
                    "Open a new connection when one is broken, and get ready again after a start "
                    "with old data."
                )
                return failed(message, counted(0, 1, "recoveries"), rule, advice, broken)
            sample = _sample(ctx, party, kept)
            looked += len(sample)
            lost += [(fault, *gone) for gone in await _missing(ctx, sample)]
        measured = counted(looked - len(lost), looked, "acknowledged writes found")
        if not looked:
            advice = "A write is answered 200 once it is stored, also while others write."
            return failed(
                "No write was acknowledged, so none could be kept.", measured, rule, advice
            )
        if not lost:
            message = (
                f"Of {total} acknowledged writes {looked} were searched for after a kill, and all "
                "were there."
            )
            return passed(message, measured, rule)
        fault, name, response = lost[0]
        advice = (
            "Answer 200 only after the transaction has committed; memory and queues of the process "
            "die with it."
        )
        return failed(
            f"After {fault}, {name!r} was acknowledged but is not found.",
            measured,
            rule,
            advice,
            response,
        )

    async def _written_until(
        self, ctx: Context, party: str, first: int
    ) -> list[tuple[str, np.ndarray]]:
        """Write one vector after the other and stop the party hard in between.

        Returns what was acknowledged.
        """
        rng = corpora.generator(ctx.rng(f"durable {party}"))
        kept: list[tuple[str, np.ndarray]] = []
        until = time.perf_counter() + WRITES_S
        over = asyncio.Event()

        async def writer(number: int) -> None:
            while not over.is_set():
                v = np.round(rng.standard_normal(corpora.DIMENSIONS), 4).astype(np.float32)
                name = f"kept-{number}-{first + len(kept)}-{rng.integers(0, 1 << 40):x}"
                item: dict[str, Any] = {"id": name, "v": corpora.numbers(v), "day": 5}
                response = await write(ctx.app, _tenant(ctx), [item], 3)
                if response.ok:
                    kept.append((name, v))
                else:
                    await asyncio.sleep(0.05)
                if party == "db":
                    await asyncio.sleep(0.02)

        tasks = [asyncio.create_task(writer(n)) for n in range(WRITERS)]
        while time.perf_counter() < until:
            await asyncio.sleep(0.05)
        await ctx.control("signal", party, signal="SIGKILL")
        over.set()
        await asyncio.gather(*tasks)
        await ctx.control("restart", party)
        return kept


def _tenant(ctx: Context) -> str:
    return f"durable-{ctx.seed[:6]}"


async def _back(ctx: Context, data: Loaded) -> Response | None:
    """Wait until a search works again; the last response when it does not."""
    until = time.perf_counter() + BACK_S
    while True:
        found = await search(ctx.app, query(data.corpus.tenants[1], data.corpus.v[0]), 5)
        if not found.wrong:
            return None
        if time.perf_counter() > until:
            return found.response
        await asyncio.sleep(0.2)


def _sample(
    ctx: Context, party: str, kept: list[tuple[str, np.ndarray]]
) -> list[tuple[str, np.ndarray]]:
    older = kept[:-NEWEST]
    return kept[-NEWEST:] + ctx.rng(f"older {party}").sample(older, min(OLDER, len(older)))


async def _missing(
    ctx: Context, sample: list[tuple[str, np.ndarray]]
) -> list[tuple[str, Response]]:
    """Those that no search finds.

    An index that only approximates may miss even the vector itself, on one way through its graph.
    That is a matter of recall, so what is missing is looked for from all around before it counts as
    lost.
    """
    rng = corpora.generator(ctx.rng("around"))
    gone: list[tuple[str, Response]] = []
    for name, v in sample:
        found = first = await _patient_search(ctx, v)
        for _ in range(AROUND if len(gone) < SURE else 0):
            if name in found.ids:
                break
            found = await _patient_search(
                ctx, v + NEAR * rng.standard_normal(len(v)).astype(np.float32), k=40
            )
        if name not in found.ids:
            gone.append((name, first.response))
    return gone


async def _patient_search(ctx: Context, v: np.ndarray, k: int = 3) -> Found:
    """A pool may hand out several broken connections before the last is replaced: an error is no
    lost write yet.
    """
    for _ in range(8):
        found = await search(ctx.app, query(_tenant(ctx), v, k=k), 10)
        if not found.wrong:
            break
        await asyncio.sleep(0.2)
    return found
