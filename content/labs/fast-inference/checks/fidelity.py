"""Whether decisions are still those of the fp32 model, and whether each answer is its own
request's.
"""

from __future__ import annotations

import asyncio

import numpy as np
from lab_checks import model as models
from lab_checks.asking import quiet, score, world
from lab_checks.embedding import embed, encoder
from lab_checks.install import installed
from lab_checks.texts import cosine, mixed

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Params,
    Response,
    Rule,
    counted,
    every,
    failed,
    passed,
)

DIFFERENT = 0.6
"""So many of the scores are different numbers: with two decimals there are a hundred at most."""
ROUNDS, ROWS, EMBEDS = 16, 24, 3
CLEAR, FAR = 0.25, 0.35
"""Rows whose own quiet score lies at most CLEAR from 0 or 1 are used; an answer FAR from that is
another row's.
"""


def auc(scores: np.ndarray, fraud: np.ndarray) -> float:
    """Share of (fraud, fine) pairs that the scores put in order; ties count half."""
    order = np.unique(scores, return_inverse=True)[1]
    counts = np.bincount(order)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[order]
    positive = int(fraud.sum())
    negative = len(fraud) - positive
    return float((ranks[fraud].sum() - positive * (positive + 1) / 2) / (positive * negative))


class DecisionsParams(Params):
    agree: float
    auc_loss: float


class Decisions(Check):
    """Rows asked one by one against fp32.

    The frauds of the AUC are drawn with the probabilities of the model.
    """

    id = "decisions"
    params_model = DecisionsParams
    params: DecisionsParams

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        p, made, own = self.params, await world(ctx), await quiet(ctx)
        rule = Rule(
            op="at_least",
            threshold=p.agree,
            unit="share",
            text=f"agree ≥ {p.agree:g}, AUC loss ≤ {p.auc_loss:g}",
        )
        if own.shown is not None:
            measured = Measured(text="not every row has a score")
            return failed(f"POST /score {own.wrong}.", measured, rule, ADVICE, own.shown)
        true = 1 / (1 + np.exp(-made.quiet_logits))
        fraud = models.generator(ctx.rng("labels")).random(len(true)) < true
        loss = auc(true, fraud) - auc(own.scores, fraud)
        n = len(true)
        text = f"agree {own.agree:.3f}, AUC loss {loss:.4f}, n = {n}"
        measured = Measured(value=round(own.agree, 4), unit="share", n=n, text=text)
        message = (
            f"{own.agree:.1%} of {n} decisions are those of the fp32 model; the AUC is "
            f"{max(loss, 0):.4f} lower."
        )
        if (different := len(np.unique(own.scores))) < DIFFERENT * n:
            message = (
                f"The scores of {n} rows are only {different} different numbers: they are rounded."
            )
            _, _, shown = await score(ctx.app, made.quiet[0])
            return failed(
                message,
                measured,
                rule,
                "Give the score that the model computed, and decide by that.",
                shown,
            )
        if own.agree >= p.agree and loss <= p.auc_loss:
            return passed(message, measured, rule)
        worst = int(np.argmax(np.abs(own.scores - true)))
        _, _, shown = await score(ctx.app, made.quiet[worst])
        message += f" The row below has the score {true[worst]:.3f} in fp32."
        return failed(message, measured, rule, ADVICE, shown)


class CrossTalk(Check):
    """Many at once, one of them with an id that the model doesn't know: everybody gets the answer
    of their own row.
    """

    id = "cross-talk"

    async def run(self, ctx: Context) -> Measurement:
        await installed(ctx)
        made, own = await world(ctx), await quiet(ctx)
        g = models.generator(ctx.rng("cross-talk"))
        clear = np.flatnonzero((own.scores < CLEAR) | (own.scores > 1 - CLEAR))
        total = ROUNDS * ROWS
        if len(clear) < 40:
            message = (
                "Asked one by one, almost all rows get the same score, so nobody could tell them "
                "apart."
            )
            return failed(
                message, counted(0, total, "answers"), every("answers"), ADVICE, own.shown
            )
        good = 0
        for number in range(ROUNDS):
            which = g.choice(clear, ROWS)
            bags = [[int(i) for i in g.permutation(made.quiet[w])] for w in which]
            poison = models.bag(g)
            poison[int(g.integers(len(poison)))] = models.WIDTH + int(g.integers(100))
            at = int(g.integers(ROWS + 1))
            bags.insert(at, poison)
            texts = mixed(g)[:EMBEDS] if number < 4 else []
            answers, vectors = await asyncio.gather(
                asyncio.gather(*(score(ctx.app, ids) for ids in bags)),
                asyncio.gather(*(embed(ctx.app, [text]) for text in texts)),
            )
            _, _, refused = answers.pop(at)
            if bad := _poisoned(refused, good, total):
                return bad
            for w, (found, wrong, response) in zip(which, answers, strict=True):
                if found is None or abs(found - own.scores[w]) > FAR:
                    return _mixed_up(found, wrong, response, float(own.scores[w]), good, total)
                good += 1
            truth = await encoder(ctx)
            for text, (found, wrong, response) in zip(texts, vectors, strict=True):
                near = (
                    0.0 if found is None else cosine(found[0], await asyncio.to_thread(truth, text))
                )
                if near < 0.98:
                    said = wrong or f"gave a vector that has cosine {near:.2f} with the text's own"
                    message = f"With other requests beside it, POST /embed {said}."
                    return failed(
                        message,
                        counted(good, total, "answers"),
                        every("answers"),
                        OWN_ADVICE,
                        response,
                    )
        message = (
            f"{total} rows, {ROWS} at once with a bad one among them: every answer was its own "
            "row's."
        )
        return passed(message, counted(good, total, "answers"), every("answers"))


def _poisoned(refused: Response, good: int, total: int) -> Measurement | None:
    if not refused.error and 400 <= (refused.status or 0) < 500:
        return None
    said = refused.error or f"answered {refused.status}"
    message = f"A row with an id that the model does not know {said}; expected 4xx."
    return failed(
        message, counted(good, total, "answers"), every("answers"), POISON_ADVICE, refused
    )


def _mixed_up(
    found: float | None, wrong: str, response: Response, own: float, good: int, total: int
) -> Measurement:
    said = wrong or f"got the score {found:.3f}; alone, the same row gets {own:.3f}"
    message = f"Among {ROWS} rows at once, one of them with an unknown id, a good row {said}."
    advice = OWN_ADVICE if found is not None else POISON_ADVICE
    return failed(message, counted(good, total, "answers"), every("answers"), advice, response)


ADVICE = (
    "Eight bits are enough when the scale fits: dynamic quantisation of the matrix products does "
    "it. Check your "
    "conversion against the uploaded model on some rows before you serve it."
)
OWN_ADVICE = (
    "Carry each row together with its future through the batch. A row that drops out of a batch "
    "must take its future "
    "with it, or everybody behind it gets the neighbour's answer."
)
POISON_ADVICE = (
    "Look at every row before it joins a batch, and refuse it there with 4xx (ids reach from 0 to "
    "the width of the "
    "model's input, less one). One bad row must not fail a batch."
)
