"""Checks of economy and of endurance: prompt tokens by the ledger, and success while the gateway
fails.
"""

from __future__ import annotations

import asyncio

from lab_checks import gateway
from lab_checks.asking import Reply, ask_all
from lab_checks.corpus import Question
from lab_checks.dataset import Dataset, Oracle, dataset, oracle, replies

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Rule,
    Series,
    failed,
    measured_share,
    passed,
)


class TokenParams(Params):
    of_stuffing: float
    stuffed: int = 20
    calls: float = 0.8


class PromptTokens(Check):
    """Prompt tokens that the gateway metered, against pasting the first twenty clauses into every
    prompt.
    """

    id = "prompt-tokens"
    params_model = TokenParams
    params: TokenParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        given = await replies(ctx, data)
        judge = await oracle(data)
        assert data.usage is not None
        metered = data.usage.prompt_tokens
        stuffed = await asyncio.to_thread(self._stuffed, judge, data)
        ratio = metered / stuffed
        text = (
            f"at most {self.params.of_stuffing:g} x a prompt with the first {self.params.stuffed} "
            "clauses"
        )
        rule = Rule(op="at_most", threshold=self.params.of_stuffing, unit="ratio", text=text)
        per = metered / len(given)
        measured = Measured(
            value=round(ratio, 4),
            unit="ratio",
            n=len(given),
            text=(
                f"{ratio:.2f} x stuffing ({per:.0f} of {stuffed / len(given):.0f} tokens a "
                "question), by the ledger"
            ),
        )
        answered = sum(r.answered for r in given)
        if data.usage.answered < self.params.calls * max(1, answered):
            return failed(
                (
                    f"{answered} answers were given but the gateway's ledger holds only "
                    f"{data.usage.answered} calls."
                ),
                measured,
                rule,
                (
                    "Ask the model gateway (MODEL_URL) for every answer, with the clauses you found in "
                    "the prompt."
                ),
                given[0].response,
            )
        if ratio <= self.params.of_stuffing:
            return passed(
                "The prompts hold what is needed and little else.",
                measured,
                rule,
                series=self._plot(data),
            )
        return failed(
            f"A question costs {per:.0f} prompt tokens, {ratio:.2f} times what pasting "
            f"{self.params.stuffed} clauses would cost.",
            measured,
            rule,
            "Send only the best few clauses, each once, with a short instruction.",
            given[0].response,
            series=self._plot(data),
        )

    def _stuffed(self, judge: Oracle, data: Dataset) -> int:
        """Prompt tokens of all questions when the first twenty clauses of the fusion are pasted
        into each.
        """
        clauses = data.corpus.clauses
        total = 0
        for question in data.paraphrased:
            lines = [
                f"[{i}] {clauses[i].text}"
                for i in judge.fused(question.text)[: self.params.stuffed]
            ]
            total += gateway.count_tokens(
                judge.embedder, "\n".join([*lines, f"Question: {question.text}"])
            )
        return total

    def _plot(self, data: Dataset) -> list[Series]:
        right = sum(r.right for r in data.replies) / len(data.replies)
        assert data.usage is not None
        per = data.usage.prompt_tokens / len(data.replies)
        return [
            Series(
                kind="bars",
                title="Exact match against prompt tokens",
                unit="share",
                app=[(round(per, 1), round(right, 4))],
                summary=f"{right:.0%} right at {per:.0f} prompt tokens a question.",
            )
        ]


class ResilienceParams(Params):
    share: float
    faults: float = 0.15
    retry_after_s: float = 0.5
    questions: int = 60


class Resilience(Check):
    """Answers while a share of the gateway's calls is refused.

    An abstention that goes away with the faults is one.
    """

    id = "resilience"
    params_model = ResilienceParams
    params: ResilienceParams

    async def run(self, ctx: Context) -> Measurement:
        data = await dataset(ctx)
        questions = self._questions(ctx, data)
        await gateway.reset(ctx)
        await gateway.set_faults(ctx, self.params.faults, self.params.retry_after_s)
        ctx.note(
            f"asking {len(questions)} questions while {self.params.faults:.0%} of the gateway's "
            "calls fail"
        )
        try:
            given = await ask_all(ctx, questions, at_once=3)
            usage = await gateway.usage(ctx)
        finally:
            await gateway.reset(ctx)
        silent = [r for r in given if not r.problem and r.abstained]
        calm = await ask_all(ctx, [r.question for r in silent])
        blamed = {again.question.text for again in calm if again.answered}
        void = {again.question.text for again in calm} - blamed
        counted = [r for r in given if r.question.text not in void]
        lost = [r for r in counted if r.problem or r.question.text in blamed]
        return self._verdict(given, counted, lost, usage)

    def _questions(self, ctx: Context, data: Dataset) -> list[Question]:
        """Plainly worded questions that were not asked before, on clauses that nothing changed."""
        live = [c for c in data.corpus.in_force() if c.id not in data.changed]
        chosen = ctx.rng("resilience").sample(live, self.params.questions)
        return [data.corpus.ask(clause, paraphrased=False) for clause in chosen]

    def _verdict(
        self, given: list[Reply], counted: list[Reply], lost: list[Reply], usage: gateway.Usage
    ) -> Measurement:
        share = 1 - len(lost) / max(1, len(counted))
        text = (
            f"at least {self.params.share:g} of the questions answered while "
            f"{self.params.faults:.0%} of calls fail"
        )
        rule = Rule(op="at_least", threshold=self.params.share, unit="share", text=text)
        measured = measured_share(share, len(counted), "answered")
        detail = {"data": {"gateway_calls": usage.calls, "gateway_refused": usage.refused}}
        if len(counted) < len(given) // 2:
            return failed(
                (
                    f"Of {len(given)} plain questions {len(given) - len(counted)} are refused even "
                    "without faults."
                ),
                measured,
                rule,
                (
                    "Answer plainly worded questions first; then make the call to the gateway survive "
                    "faults."
                ),
                given[0].response,
                **detail,
            )
        if share >= self.params.share:
            return passed(
                "Faults of the gateway did not reach the users.", measured, rule, **detail
            )
        worst = lost[0]
        return failed(
            f"While the gateway refused {usage.refused} of {usage.calls} calls, "
            f"{worst.question.text!r} "
            f"{worst.problem or 'was refused, though it is answered when the gateway is well'}.",
            measured,
            rule,
            (
                "Retry 429 and 5xx a few times with growing pauses, and wait as long as Retry-After "
                "says."
            ),
            worst.response,
            **detail,
        )
