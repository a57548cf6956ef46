"""The check of repeals: what a clause put out of force stays so, in whatever order documents arrive
and return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab_checks.asking import ask, search
from lab_checks.corpus import Clause, Corpus, Question
from lab_checks.dataset import Dataset, dataset

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Response,
    Rule,
    Unmeasurable,
    failed,
    passed,
)

DEPTH = 10
UNIT = "repealed clauses"
RULE = Rule(op="none", unit=UNIT, text="no repealed clause returned or cited")
MENTIONS = ("See also clause {}.", "Read together with clause {}.")
ADVICE = (
    "Store who repeals whom apart from the documents: for ids that have not arrived yet, and for "
    "clauses that are "
    "out of force themselves. A document that arrives again says nothing about those that repealed "
    "it."
)


class RepealParams(Params):
    returned: int = 4
    chains: int = 4
    mentions: int = 6
    found: float = 0.75


@dataclass(frozen=True, slots=True)
class Look:
    """What one question brought.

    ``revived``: how a clause out of force showed; empty when none did.
    """

    revived: str
    found: bool
    response: Response


class InForce(Check):
    """Every repealed clause is looked for; some are sent again; some repeals are repealed
    themselves.
    """

    id = "in-force"
    params_model = RepealParams
    params: RepealParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        looks = await self._every_repeal(ctx, data)
        for step in (self._send_again, self._chains):
            if any(look.revived for look in looks):
                break
            looks += await step(ctx, data)
        problem = None if any(look.revived for look in looks) else await self._mentions(ctx, data)
        return problem or self._verdict(looks)

    async def _every_repeal(self, ctx: Context, data: Dataset) -> list[Look]:
        """Documents came in random order, so half of the repeals came before the clause that they
        repeal.
        """
        corpus = data.corpus
        old = [corpus.clauses[i] for i in sorted(corpus.repealed) if i in corpus.clauses]
        return [await self._look(ctx, corpus, clause) for clause in old]

    async def _send_again(self, ctx: Context, data: Dataset) -> list[Look]:
        """A repealed clause that arrives once more is still repealed."""
        corpus, rng = data.corpus, ctx.rng("sent again")
        old = rng.sample(
            sorted(i for i in corpus.repealed if i in corpus.clauses), self.params.returned
        )
        await self._ingest(ctx, [corpus.clauses[i] for i in old])
        return [await self._look(ctx, corpus, corpus.clauses[i], asked=True) for i in old]

    async def _chains(self, ctx: Context, data: Dataset) -> list[Look]:
        """The clause that repealed one is repealed itself: both stay out of force, in each order of
        arrival.
        """
        corpus, rng = data.corpus, ctx.rng("chains")
        pool = [c for c in corpus.in_force() if not c.replaces and c.id not in data.changed]
        looks: list[Look] = []
        for number, first in enumerate(rng.sample(pool, self.params.chains)):
            second = corpus.add(corpus.rewrite(first, repeal=True))
            third = corpus.rewrite(
                replace(second, text=first.text.replace(first.value, second.value)), repeal=True
            )
            corpus.add(third)
            data.changed |= {first.id, second.id, third.id}
            order = [second, third] if number % 2 == 0 else [third, second]
            for clause in order:
                await self._ingest(ctx, [clause])
            looks += [
                await self._look(ctx, corpus, clause, asked=True) for clause in (first, second)
            ]
        return looks

    async def _mentions(self, ctx: Context, data: Dataset) -> Measurement | None:
        """A clause that another of its plan merely mentions stays in force.

        The measurement when it does not.
        """
        corpus, rng = data.corpus, ctx.rng("mentions")
        pool = [c for c in corpus.in_force() if not c.replaces and c.id not in data.changed]
        places = [(p, m) for p, m in corpus.omitted if any(c.plan == p for c in pool)]
        lost: list[Response] = []
        for number, (plan, matter) in enumerate(rng.sample(places, self.params.mentions)):
            corpus.omitted.remove((plan, matter))
            kept = rng.choice([c for c in pool if c.plan == plan])
            new = corpus.write(plan, matter, corpus.value(matter))
            words = MENTIONS[number % len(MENTIONS)].format(kept.id)
            new = corpus.add(replace(new, text=f"{new.text} {words}"))
            data.changed |= {kept.id, new.id}
            await self._ingest(ctx, [new])
            question = Question(kept.matter.plain[0].format(p=kept.plan))
            found, response = await search(ctx.app, question, DEPTH)
            if kept.id not in found:
                lost.append(response)
        if len(lost) <= (1 - self.params.found) * self.params.mentions:
            return None
        count = self.params.mentions
        measured = Measured(
            value=len(lost),
            unit=UNIT,
            n=count,
            text=f"{len(lost)} of {count} mentioned clauses lost",
        )
        message = (
            "A clause is no longer found once another one has mentioned it, without replacing it."
        )
        return failed(
            message,
            measured,
            RULE,
            "Read what the sentence says: a mention repeals nothing.",
            lost[0],
        )

    async def _ingest(self, ctx: Context, clauses: list[Clause]) -> None:
        body = {"docs": [clause.doc() for clause in clauses]}
        response = await ctx.app.request("POST", "/ingest", json=body, timeout_s=15)
        if not response.ok:
            why = response.error or f"answered {response.status}"
            measured = Measured(unit=UNIT, text="not measured")
            advice = "POST /ingest takes a document that is already there, and replaces it."
            said = f"A clause could not be ingested: /ingest {why}."
            raise Unmeasurable(failed(said, measured, RULE, advice, response))

    async def _look(
        self, ctx: Context, corpus: Corpus, old: Clause, *, asked: bool = False
    ) -> Look:
        """Search for a clause that is out of force, in its own words;

        ``asked``: put the question as well.
        """
        now = corpus.clauses.get(successor(corpus, old.id))
        question = Question(old.matter.plain[0].format(p=old.plan))
        found, response = await search(ctx.app, question, DEPTH)
        returned = [i for i in found if i in corpus.repealed]
        known = now is None or now.id in found
        if returned:
            return Look(
                f"/search returns {returned[0]}, which {corpus.repealed[returned[0]]} repealed",
                known,
                response,
            )
        if not asked:
            return Look("", known, response)
        reply = await ask(ctx.app, question)
        cited = [i for i in reply.citations if i in corpus.repealed]
        if cited:
            return Look(f"the answer cites {cited[0]}, which is repealed", known, reply.response)
        return Look("", known, response)

    def _verdict(self, looks: list[Look]) -> Measurement:
        revived = [look for look in looks if look.revived]
        text = f"{len(revived)} of {len(looks)} {UNIT} showed"
        measured = Measured(value=len(revived), unit=UNIT, n=len(looks), text=text)
        if revived:
            message = f"A repealed clause came back: {revived[0].revived}."
            return failed(message, measured, RULE, ADVICE, revived[0].response)
        lost = [look for look in looks if not look.found]
        if len(lost) > (1 - self.params.found) * len(looks):
            message = (
                f"For {len(lost)} of {len(looks)} repealed clauses the one in force is not found "
                "either."
            )
            advice = (
                "Return the clause that took its place: it holds the answer, in nearly the same "
                "words."
            )
            return failed(message, measured, RULE, advice, lost[0].response)
        return passed("What was repealed stayed out of force.", measured, RULE)


def successor(corpus: Corpus, clause_id: str) -> str:
    """The id of the clause at the end of the chain of repeals that begins with this one."""
    seen = {clause_id}
    while (following := corpus.repealed.get(clause_id)) and following not in seen:
        seen.add(following)
        clause_id = following
    return clause_id
