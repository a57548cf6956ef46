"""The check of changes: what was deleted is not found, what was stored again is, also in the large
tenant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lab_checks import corpus as corpora
from lab_checks.asking import Found, K, Loaded, loaded, query, search, write
from lab_checks.corpus import Corpus

from grader.lab_api import (
    Check,
    Context,
    Measurement,
    Params,
    Response,
    Tally,
)

UNIT = "changes seen"
NEAR = 0.3
FAR_RANK = 40
"""So many of a tenant are nearer to a vector than what is stored in its place."""
TRIES = 4
"""An index that approximates may miss a vector on one way; from several places around it does
not.
"""
ADVICE = (
    'Change the row and its place in the index in one transaction. A mark that says "deleted" has to be read by every '
    "search, and has to go when the id is stored again."
)


class ChangesParams(Params):
    large: int = 8
    small: int = 4


@dataclass(frozen=True, slots=True)
class Problem:
    said: str
    response: Response


class Changes(Check):
    """Vectors are replaced, deleted and stored again under their ids; each step is followed by a
    search.
    """

    id = "changes"
    params_model = ChangesParams
    params: ChangesParams

    async def run(self, ctx: Context) -> Measurement:
        data = await loaded(ctx)
        rng, chosen = corpora.generator(ctx.rng("changes")), ctx.rng("changed rows")
        rows = chosen.sample(list(data.corpus.rows(0)), self.params.large)
        rows += chosen.sample(list(data.corpus.rows(1)), self.params.small)
        tally = Tally(UNIT)
        for n, row in enumerate(rows):
            wrong = await self._one(ctx, data, int(row), rng, replaced=n % 2 == 0)
            tally.add(f"{wrong.said}." if wrong else "", wrong.response if wrong else None)
        return tally.verdict(
            "Deleted vectors were gone, and those stored again were found.", ADVICE
        )

    async def _one(
        self, ctx: Context, data: Loaded, row: int, rng: np.random.Generator, *, replaced: bool
    ) -> Problem | None:
        """Replace or delete a vector, then store another one under its id.

        What went wrong, if anything did.
        """
        name, tenant = data.corpus.ids[row], data.corpus.tenants[data.corpus.owner[row]]
        old, new = data.corpus.v[row], fresh(data.corpus, row, rng)
        if not replaced:
            response = await ctx.app.request("DELETE", f"/vectors/{name}", timeout_s=15)
            if not response.ok:
                return Problem(
                    f"Deleting a vector answered {response.status or response.error}", response
                )
            found = await search(ctx.app, query(tenant, old))
            if found.wrong or name in found.ids:
                return Problem(
                    f"A search after a delete {found.wrong or f'still returns {name!r}'}",
                    found.response,
                )
        item = {"id": name, "v": corpora.numbers(new), "day": int(data.corpus.day[row])}
        response = await write(ctx.app, tenant, [item], 15)
        if not response.ok:
            return Problem(
                f"Storing a vector again answered {response.status or response.error}", response
            )
        found = await search(ctx.app, query(tenant, old))
        if found.wrong or name in found.ids:
            why = found.wrong or f"returns {name!r}, which lies elsewhere now"
            return Problem(f"A search for what a vector was before {why}", found.response)
        found = await around(ctx, tenant, name, new, rng)
        what = "replaced" if replaced else "deleted and stored again"
        if name not in found.ids:
            return Problem(
                f"A vector that was {what} is not found: {found.wrong or f'{name!r} is missing'}",
                found.response,
            )
        return None


def fresh(corpus: Corpus, row: int, rng: np.random.Generator) -> np.ndarray:
    """A vector far from what stands in ``row``.

    Many others of its tenant are nearer to that: in a small tenant any vector may be among the ten
    nearest by luck, and whoever returns it then is right.
    """
    old, rows = corpus.unit[row], corpus.rows(int(corpus.owner[row]))
    nearest = np.sort(corpus.unit[rows] @ old)[-FAR_RANK]
    while True:
        noise = rng.standard_normal(corpora.DIMENSIONS) / corpora.DIMENSIONS**0.5
        v = np.asarray(np.round(noise, 4), np.float32)
        if float(v @ old) / float(np.linalg.norm(v)) < nearest:
            return v


async def around(
    ctx: Context, tenant: str, name: str, v: np.ndarray, rng: np.random.Generator
) -> Found:
    """Search for the vector itself, then from places near it, until it is found."""
    found = await search(ctx.app, query(tenant, v))
    for _ in range(TRIES):
        if name in found.ids:
            break
        noise = rng.standard_normal(corpora.DIMENSIONS) / corpora.DIMENSIONS**0.5
        found = await search(
            ctx.app, query(tenant, np.asarray(v + NEAR * noise, np.float32), k=4 * K)
        )
    return found
