"""Checks of retrieval and of answers: recall, exact match, abstention, citations."""

from __future__ import annotations

import asyncio
from typing import Any

from lab_checks.asking import Reply, ask_all, holds, search, tokens
from lab_checks.corpus import Corpus, Question
from lab_checks.dataset import Dataset, Oracle, dataset, oracle, replies

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Quality,
    Response,
    Rule,
    evaluate,
    failed,
    measured_share,
    passed,
    recall_series,
    wilson,
)

DEPTH = 10


class RecallParams(Params):
    over_bm25: float
    of_fusion: float


class Recall(Check):
    """recall@5 of POST /search against BM25 and against a fusion that knows which clauses are in
    force.
    """

    id = "recall"
    params_model = RecallParams
    params: RecallParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        judge = await oracle(data)
        gold = {q.text: [q.gold] for q in data.paraphrased}
        found: dict[str, list[str]] = {}
        worst: tuple[Question, Response] | None = None
        for question in data.paraphrased:
            found[question.text], response = await search(ctx.app, question, DEPTH)
            if worst is None and question.gold not in found[question.text][:5]:
                worst = (question, response)
        app = evaluate(gold, found)
        bm25 = evaluate(gold, {t: judge.lexical(t) for t in gold})
        fusion = evaluate(gold, await asyncio.to_thread(lambda: {t: judge.fused(t) for t in gold}))
        return self._verdict(data.corpus, app, bm25, fusion, worst)

    def _verdict(
        self,
        corpus: Corpus,
        app: Quality,
        bm25: Quality,
        fusion: Quality,
        worst: tuple[Question, Response] | None,
    ) -> Measurement:
        lexical, hybrid = (
            self.params.over_bm25 * bm25.recall[5],
            self.params.of_fusion * fusion.recall[5],
        )
        bound = min(max(lexical, hybrid), 1.0)
        text = (
            f"at least {bound:.2f}: {self.params.over_bm25:g} x BM25 ({bm25.recall[5]:.2f}) "
            f"and {self.params.of_fusion:g} x oracle fusion ({fusion.recall[5]:.2f})"
        )
        rule = Rule(op="at_least", threshold=round(bound, 4), unit="share", text=text)
        measured = measured_share(app.recall[5], app.n, "recall@5")
        more: dict[str, Any] = {
            "series": [recall_series(app, bm25, "BM25", bound)],
            "data": {"app": app.data(), "bm25": bm25.data(), "fusion": fusion.data()},
        }
        if app.recall[5] >= bound:
            return passed("The clause in force is among the first five.", measured, rule, **more)
        message = (
            "Too often the clause in force that answers the question is not among the first five."
        )
        if worst is not None:
            question, response = worst
            clause = corpus.clauses[question.gold]
            message += f" For example {question.text!r}: {clause.id} ({clause.title}) is missing."
            return failed(message, measured, rule, RECALL_ADVICE, response, **more)
        return failed(message, measured, rule, RECALL_ADVICE, **more)


RECALL_ADVICE = (
    "The questions use other words than the clauses: embed them and fuse both rankings (reciprocal "
    "rank fusion). "
    "Leave out clauses that another clause repeals."
)


class ExactMatchParams(Params):
    of_gold: float


class ExactMatch(Check):
    """Answers that equal the span in force, against the same reader when it is handed the right
    clause.
    """

    id = "exact-match"
    params_model = ExactMatchParams
    params: ExactMatchParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        given = await replies(ctx, data)
        judge = await oracle(data)
        gold = await asyncio.to_thread(gold_score, judge, data)
        bound = self.params.of_gold * gold
        share = sum(r.right for r in given) / len(given)
        text = (
            f"at least {bound:.2f}: {self.params.of_gold:g} x the same reader on the right clause "
            f"({gold:.2f})"
        )
        rule = Rule(op="at_least", threshold=round(bound, 4), unit="share", text=text)
        measured = measured_share(share, len(given), "exact match")
        detail = {"data": {"gold": round(gold, 4), "abstained": sum(r.abstained for r in given)}}
        if share >= bound:
            return passed(
                "The answers are those of the clauses in force.", measured, rule, **detail
            )
        wrong = next(r for r in given if not r.right)
        said = wrong.problem or ("abstained" if wrong.abstained else f"{wrong.answer[:80]!r}")
        return failed(
            f"Too many answers differ from the clause in force. {wrong.question.text!r}: expected "
            f"{wrong.question.answer!r}, got {said}.",
            measured,
            rule,
            "Look at what your prompt held for this question: the right clause must be in it, and "
            "neither its repealed "
            "version nor many look-alikes of other plans.",
            wrong.response,
            **detail,
        )


def gold_score(judge: Oracle, data: Dataset) -> float:
    """The share that the gateway's reader gets right when it is given only the right clause."""
    clauses = data.corpus.clauses
    right = 0
    for q in data.paraphrased:
        answer = judge.reader.answer(q.text, [(q.gold, clauses[q.gold].text)])
        right += tokens(answer.text) == tokens(q.answer)
    return right / len(data.paraphrased)


class AbstainParams(Params):
    f1: float


class Abstain(Check):
    """F1 of abstaining, over questions that no clause answers and plainly worded ones that a clause
    does.
    """

    id = "abstain"
    params_model = AbstainParams
    params: AbstainParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        mixed = [*data.plain, *data.unanswerable]
        ctx.rng("abstain").shuffle(mixed)
        given = await ask_all(ctx, mixed)
        caught = [r for r in given if not r.question.gold and not r.problem and r.abstained]
        missed = [r for r in given if not r.question.gold and not (not r.problem and r.abstained)]
        false = [r for r in given if r.question.gold and not r.answered]
        f1 = 2 * len(caught) / max(1, 2 * len(caught) + len(missed) + len(false))
        rule = Rule(
            op="at_least",
            threshold=self.params.f1,
            unit="F1",
            text=f"F1 at least {self.params.f1:g}",
        )
        text = (
            f"F1 {f1:.2f}: {len(caught)} refused, {len(missed)} answered all the same, "
            f"{len(false)} refused wrongly"
        )
        measured = Measured(
            value=round(f1, 4), unit="F1", n=len(given), text=f"{text}, n = {len(given)}"
        )
        if f1 >= self.params.f1:
            return passed(
                "It answers what the clauses answer and refuses the rest.", measured, rule
            )
        if len(missed) >= len(false):
            worst, what = missed[0], "No clause answers"
            advice = (
                "Abstain when the model says NOT_FOUND, when the cited clause does not name the "
                "plan of the question, "
                "and when the question is far from every clause."
            )
        else:
            worst, what = false[0], "A clause in force answers"
            advice = "You refuse too much: this question uses the clause's own words."
        return failed(f"{what} {worst.question.text!r}.", measured, rule, advice, worst.response)


class CitationParams(Params):
    precision: float
    supported: float = 0.9
    answered: float = 0.3
    common: float = 0.1


class Citations(Check):
    """Every citation must hold the answer's span.

    A span that stands in many clauses proves nothing.
    """

    id = "citations"
    params_model = CitationParams
    params: CitationParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        given = [r for r in await replies(ctx, data) if r.answered]
        text = (
            f"at least {self.params.precision:g} of all citations hold the answer; every answer "
            "has one that does"
        )
        rule = Rule(op="at_least", threshold=self.params.precision, unit="share", text=text)
        asked = len(data.paraphrased)
        if len(given) < self.params.answered * asked:
            return failed(
                (
                    f"Only {len(given)} of {asked} answerable questions were answered: too few to "
                    "judge citations."
                ),
                Measured(
                    value=0.0, unit="share", n=len(given), text=f"{len(given)} of {asked} answered"
                ),
                rule,
                "Answer what the clauses answer; abstaining from everything proves nothing.",
                data.replies[0].response,
            )
        return self._judge(data, given, rule)

    def _judge(self, data: Dataset, given: list[Reply], rule: Rule) -> Measurement:
        held = {id(r): self._holding(data.in_force, r) for r in given}
        total = sum(len(r.citations) for r in given)
        precision = sum(held.values()) / max(1, total)
        supported = sum(1 for r in given if held[id(r)]) / len(given)
        low, high = wilson(precision * total, total)
        measured = Measured(
            value=round(precision, 4),
            unit="share",
            low=round(low, 4),
            high=round(high, 4),
            n=total,
            text=f"precision {precision:.2f} [{low:.2f}, {high:.2f}], {total} citations; "
            f"{supported:.0%} of {len(given)} answers supported",
        )
        if precision >= self.params.precision and supported >= self.params.supported:
            return passed("The citations hold what the answers say.", measured, rule)
        worst = min(given, key=lambda r: held[id(r)] / max(1, len(r.citations)))
        return failed(
            f"{worst.answer[:80]!r} cites {', '.join(worst.citations[:8]) or 'nothing'}; "
            f"{held[id(worst)]} of {len(worst.citations)} hold it.",
            measured,
            rule,
            (
                "Cite the clause that the answer was taken from, and check that its text holds the "
                "span."
            ),
            worst.response,
        )

    def _holding(self, live: dict[str, str], reply: Reply) -> int:
        """How many citations of an answer hold its span in a clause in force;

        0 for a span that is everywhere.
        """
        if sum(holds(text, reply.answer) for text in live.values()) > self.params.common * len(
            live
        ):
            return 0
        return sum(holds(live.get(c, ""), reply.answer) for c in reply.citations)
