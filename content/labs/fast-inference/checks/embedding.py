"""Texts of mixed length: the time against the baseline, which pads, and the vectors against the truth."""

from __future__ import annotations

import asyncio
import math
import statistics
from typing import Any

import numpy as np
from lab_checks import model as models
from lab_checks.asking import r
from lab_checks.texts import Encoder, cosine, mixed, vectors_in, whole_and_cut

from grader.lab_api import (
    Check,
    Context,
    Decision,
    Measured,
    Measurement,
    Outcome,
    Params,
    PartyFailed,
    Response,
    Rule,
    Target,
    decide,
    failed,
    passed,
    quiet_collector,
    ratio_measured,
    ratio_rule,
    seconds_histogram,
    undecided,
)

OFF = 0.02
"""So far the length of a vector may lie from 1: whoever rounds its numbers is not meant."""
MOST_PAIRS = 60
TIMEOUT_S = 30.0


async def embed(target: Target, texts: list[str]) -> tuple[np.ndarray | None, str, Response]:
    """(vectors, what is wrong, the response)."""
    response = await target.request("POST", "/embed", json={"texts": texts}, timeout_s=TIMEOUT_S)
    if response.error or response.status != 200:
        return None, response.error or f"answered {response.status}, expected 200", response
    found = vectors_in(response.json(), len(texts))
    return (
        found,
        "" if found is not None else f"did not answer {len(texts)} vectors of 384 numbers",
        response,
    )


async def encoder(ctx: Context) -> Encoder:
    return await ctx.once("encoder", lambda: asyncio.to_thread(Encoder))


class EmbedParams(Params):
    threshold: float
    cosine: float


class Embed(Check):
    """One request after the other, alternating between the sides.

    No text is sent twice to one side.
    """

    id = "embed"
    params_model = EmbedParams
    params: EmbedParams

    async def run(self, ctx: Context) -> Measurement:
        limit, least = self.params.threshold, self.params.cosine
        g, truth = models.generator(ctx.rng("embed")), await encoder(ctx)
        rule = ratio_rule(limit, "at_most")
        times: tuple[list[float], list[float]] = ([], [])
        cosines: list[float] = []
        logs: list[float] = []
        decision = decide(logs, limit, "at_most")
        if wrong_length := await _long(ctx, g, truth, least, rule):
            return wrong_length
        for pair in range(MOST_PAIRS + 1):
            texts = mixed(g)
            with quiet_collector():
                vectors, wrong, shown = await embed(ctx.app, texts)
                _, theirs_wrong, theirs = await embed(r(ctx), texts)
            if vectors is None:
                return failed(
                    f"POST /embed {wrong}.", ratio_measured(decision), rule, PAD_ADVICE, shown
                )
            if theirs_wrong:
                raise PartyFailed(f"the baseline's /embed {theirs_wrong}")
            longest = max(range(len(texts)), key=lambda i: len(texts[i]))
            for i in (
                longest,
                int(g.integers(len(texts))),
            ):  # who cuts long texts short has to be seen
                cosines.append(cosine(vectors[i], await asyncio.to_thread(truth, texts[i])))
            if min(cosines[-2:]) < least:
                message = (
                    f"A vector has cosine {min(cosines):.3f} with the true one; at least {least:g} "
                    "is needed."
                )
                return failed(message, ratio_measured(decision), rule, TRUTH_ADVICE, shown)
            length = max(np.linalg.norm(vectors, axis=1), key=lambda found: abs(found - 1))
            if abs(length - 1) > OFF:
                message = f"A vector has the length {length:.3f}; every one has to have 1."
                return failed(message, ratio_measured(decision), rule, TRUTH_ADVICE, shown)
            if pair == 0:
                continue  # warm
            times[0].append(shown.total_s)
            times[1].append(theirs.total_s)
            logs.append(math.log(shown.total_s / theirs.total_s))
            decision = decide(logs, limit, "at_most")
            if decision.outcome is not None:
                break
        return _say(times, cosines, decision, limit)


async def _long(
    ctx: Context, g: Any, truth: Encoder, least: float, rule: Rule
) -> Measurement | None:
    """What is wrong with the vectors of long texts: they end at 256 tokens, no sooner and no later.

    None: nothing.
    """
    texts, measured = whole_and_cut(g), Measured(text="not measured")
    vectors, wrong, shown = await embed(ctx.app, texts)
    if vectors is None:
        return failed(f"POST /embed with long texts {wrong}.", measured, rule, CUT_ADVICE, shown)
    for vector, text in zip(vectors, texts, strict=True):
        if (found := cosine(vector, await asyncio.to_thread(truth, text))) < least:
            message = (
                f"The vector of a text of {len(text.split())} words has cosine {found:.3f} with "
                "the true one; at least "
                f"{least:g} is needed."
            )
            return failed(message, measured, rule, CUT_ADVICE, shown)
    return None


def _say(
    times: tuple[list[float], list[float]], cosines: list[float], decision: Decision, limit: float
) -> Measurement:
    rule = ratio_rule(limit, "at_most")
    ms = [statistics.median(side) * 1000 for side in times]
    message = (
        f"Ten texts of mixed length took {ms[0]:.0f} ms, the baseline {ms[1]:.0f} ms; cosine "
        f"{min(cosines):.3f}."
    )
    series = [
        seconds_histogram(
            "Time of a request with ten texts of mixed length",
            *times,
            threshold=ms[1] / 1000 * limit,
            summary=message,
        )
    ]
    if decision.outcome is Outcome.PASSED:
        return passed(message, ratio_measured(decision), rule, series=series)
    if decision.outcome is Outcome.FAILED:
        return failed(message, ratio_measured(decision), rule, PAD_ADVICE, series=series)
    return undecided(message, ratio_measured(decision), rule, series)


PAD_ADVICE = (
    "Padding is computed like text: sort by length, and let only texts of nearly equal length "
    "share a batch. On a CPU "
    "a batch of one is no loss."
)
CUT_ADVICE = (
    "Let the tokenizer cut texts at 256 tokens, its two special ones among them, and not before."
)
TRUTH_ADVICE = (
    "Mean pooling over the real tokens only (the attention mask), then length 1, in the order of "
    "the texts."
)
