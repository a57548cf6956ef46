"""Checks of change: a clause that is rewritten, deleted or repealed must be so for the very next
question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab_checks.asking import Reply, ask, search, tokens
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
    failed,
    passed,
)

DEPTH = 10


class UpdateParams(Params):
    each: int = 5
    right: float = 0.8
    known: float = 0.3


@dataclass(frozen=True, slots=True)
class Trial:
    """One change and what the next question and search brought.

    ``known``: the same question was answered rightly just before. ``stale``: how old state showed,
    if it did.
    """

    kind: str
    known: bool
    reply: Reply
    stale: str
    right: bool


class Updates(Check):
    """Rewrites, deletions and repeals, each followed at once by a question and a search."""

    id = "updates"
    params_model = UpdateParams
    params: UpdateParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        rule = Rule(
            op="none", unit="stale answers", text="no stale answer or result after a change"
        )
        trials: list[Trial] = []
        for kind, clause in self._plan(ctx, data):
            data.changed.add(clause.id)
            question = data.corpus.ask(clause, paraphrased=False)
            before = await ask(ctx.app, question)
            refused = await self._change(ctx, data.corpus, kind, clause)
            if refused is not None:
                why = refused.error or f"answered {refused.status}"
                return failed(
                    f"The change could not be made: {refused.method} {refused.path} {why}.",
                    Measured(unit="stale answers", n=len(trials), text="not measured"),
                    rule,
                    (
                        "POST /ingest replaces a document that is already there; DELETE /docs/{id} "
                        "removes it."
                    ),
                    refused,
                )
            trials.append(
                await self._observe(ctx, data.corpus, kind, clause, question, before.right)
            )
        return self._verdict(trials, rule)

    def _plan(self, ctx: Context, data: Dataset) -> list[tuple[str, Clause]]:
        """Changes in random order, on clauses without a history."""
        rng = ctx.rng("updates")
        pool = [c for c in data.corpus.in_force() if not c.replaces and c.id not in data.changed]
        chosen = rng.sample(pool, 3 * self.params.each)
        kinds = ["rewritten", "deleted", "repealed"] * self.params.each
        rng.shuffle(kinds)
        return list(zip(kinds, chosen, strict=True))

    async def _change(
        self, ctx: Context, corpus: Corpus, kind: str, old: Clause
    ) -> Response | None:
        """Make one change. The response when the service refused it."""
        if kind == "deleted":
            response = await ctx.app.request("DELETE", f"/docs/{old.id}", timeout_s=15)
            del corpus.clauses[old.id]
        else:
            new = corpus.add(corpus.rewrite(old, repeal=kind == "repealed"))
            response = await ctx.app.request(
                "POST", "/ingest", json={"docs": [new.doc()]}, timeout_s=15
            )
        return None if response.ok else response

    async def _observe(
        self, ctx: Context, corpus: Corpus, kind: str, old: Clause, question: Question, known: bool
    ) -> Trial:
        """Ask the very same question again: an answer kept from before the change shows as
        stale.
        """
        if kind == "deleted":
            question = replace(question, answer="", gold="")
        else:
            now = corpus.clauses[corpus.repealed.get(old.id, old.id)]
            question = replace(question, answer=now.value, gold=now.id)
        reply = await ask(ctx.app, question)
        found, _ = await search(ctx.app, question, DEPTH)
        gone = kind in ("deleted", "repealed")
        stale = ""
        if gone and old.id in found:
            stale = f"/search still returns {old.id}"
        elif gone and old.id in reply.citations:
            stale = f"the answer still cites {old.id}"
        elif kind != "deleted" and reply.answered and tokens(reply.answer) == tokens(old.value):
            stale = f"the answer is still {old.value!r}"
        right = reply.right if kind != "deleted" else not reply.problem and reply.abstained
        return Trial(kind, known, reply, stale, right)

    def _verdict(self, trials: list[Trial], rule: Rule) -> Measurement:
        stale = [t for t in trials if t.stale]
        fresh = [t for t in trials if t.kind != "deleted" and t.known]
        right = sum(t.right for t in fresh)
        text = (
            f"{len(stale)} stale of {len(trials)} changes; {right} of {len(fresh)} new values "
            "answered"
        )
        measured = Measured(value=len(stale), unit="stale answers", n=len(trials), text=text)
        if stale:
            first = stale[0]
            advice = (
                "Keep one truth: update text, vector and word index in one transaction, drop "
                "caches on each change, "
                "and put a clause out of force when a new one says that it replaces it."
            )
            message = (
                f"After a clause was {first.kind}, {first.stale} ({first.reply.question.text!r})."
            )
            return failed(message, measured, rule, advice, first.reply.response)
        if len(fresh) < self.params.known * len(trials):
            return self._unseen(
                f"Only {len(fresh)} of {len(trials)} plain questions were answered rightly before "
                "the change, too few "
                "to judge changes.",
                trials[0],
                measured,
                rule,
            )
        if right < self.params.right * len(fresh):
            first = next(t for t in fresh if not t.right)
            message = (
                f"After a clause was {first.kind}, {first.reply.question.text!r} was not answered "
                "with the new value "
                f"{first.reply.question.answer!r}, though the old one was before."
            )
            rule = rule.model_copy(
                update={"text": f"{rule.text}, {self.params.right:.0%} of new values answered"}
            )
            return self._unseen(message, first, measured, rule)
        return passed("Changes were seen by the very next question.", measured, rule)

    @staticmethod
    def _unseen(message: str, trial: Trial, measured: Measured, rule: Rule) -> Measurement:
        return failed(
            message,
            measured,
            rule,
            "A change must be searchable when /ingest answers.",
            trial.reply.response,
        )
