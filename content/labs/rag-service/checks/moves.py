"""The check of replaced documents: after a document says something else, nothing finds it by what
it said before.
"""

from __future__ import annotations

import random

from lab_checks.asking import search
from lab_checks.corpus import Clause, Corpus, Question
from lab_checks.dataset import dataset
from lab_checks.fields import Field

from grader.lab_api import (
    Check,
    Context,
    Measurement,
    Params,
    Response,
    counted,
    every,
    failed,
    passed,
)

DEPTH = 5
UNIT = "replaced documents"
ADVICE = (
    "Compute the vector and the words of a document anew whenever it is replaced, in the same "
    "transaction."
)


class MoveParams(Params):
    moves: int = 5
    right: int = 4


class Moved(Check):
    """Documents get the text of another plan and matter, under their old id.

    A search in the old words must not bring them among the first five, one in the new words must.
    """

    id = "moved"
    params_model = MoveParams
    params: MoveParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        corpus, rng = data.corpus, ctx.rng("moves")
        pool = [c for c in corpus.in_force() if not c.replaces and c.id not in data.changed]
        problems: list[tuple[str, Response]] = []
        for old in rng.sample(pool, self.params.moves):
            plan, matter = elsewhere(rng, corpus, old)
            data.changed.add(old.id)
            corpus.omitted.remove((plan, matter))
            new = corpus.add(corpus.write(plan, matter, corpus.value(matter), clause_id=old.id))
            body = {"docs": [new.doc()]}
            response = await ctx.app.request("POST", "/ingest", json=body, timeout_s=15)
            if not response.ok:
                why = response.error or f"answered {response.status}"
                problems.append((f"/ingest {why}", response))
                continue
            problems += await self._look(ctx, old, new)
        good = self.params.moves - len(problems)
        measured = counted(max(good, 0), self.params.moves, UNIT)
        stale = [p for p in problems if "still" in p[0] or "/ingest" in p[0]]
        if not stale and good >= self.params.right:
            return passed(
                "A replaced document is found by what it says now.", measured, every(UNIT)
            )
        message, response = (stale or problems)[0]
        return failed(
            f"After a document was replaced, {message}.", measured, every(UNIT), ADVICE, response
        )

    async def _look(self, ctx: Context, old: Clause, new: Clause) -> list[tuple[str, Response]]:
        before, after = plain(old.plan, old.matter), plain(new.plan, new.matter)
        found, response = await search(ctx.app, before, DEPTH)
        if old.id in found:
            said = f"still brings {old.id}, which no longer speaks of it"
            return [(f"a search for {before.text!r} {said}", response)]
        found, response = await search(ctx.app, after, DEPTH)
        if new.id not in found:
            said = f"does not bring {new.id}, which speaks of it now"
            return [(f"a search for {after.text!r} {said}", response)]
        return []


def elsewhere(rng: random.Random, corpus: Corpus, old: Clause) -> tuple[str, Field]:
    """A plan of another family and a matter that it leaves open: its only clause, and far from the
    old one.
    """
    family = old.plan.split()[0]
    return rng.choice(
        [(p, m) for p, m in corpus.omitted if not p.startswith(family) and m != old.matter]
    )


def plain(plan: str, matter: Field) -> Question:
    """A question in the clause's own words."""
    return Question(matter.plain[0].format(p=plan))
