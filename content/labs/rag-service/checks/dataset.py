"""What all criteria of a run share: the insurer's clauses, ingested once, the questions, and what
was answered.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from lab_checks import gateway
from lab_checks.asking import Reply, ask_all
from lab_checks.corpus import Corpus, Question, generate

from grader.lab_api import (
    Bm25,
    Context,
    Embedder,
    Reader,
    Unmeasurable,
    counted,
    every,
    failed,
    fuse,
)

KEY = "rag-service"
QUESTIONS, REPLACED_SHARE, PLAIN, UNANSWERABLE = 50, 0.25, 18, 18
BATCH, INGEST_TIMEOUT_S = 40, 60.0
DEPTH = 50


@dataclass(slots=True)
class Oracle:
    """Rankings over the clauses in force by someone who knows which those are."""

    embedder: Embedder
    reader: Reader
    names: list[str]
    vectors: Any
    bm25: Bm25

    def lexical(self, text: str) -> list[str]:
        return self.bm25.rank(text, DEPTH)

    def fused(self, text: str) -> list[str]:
        scores = self.vectors @ self.embedder.embed([text])[0]
        dense = [self.names[i] for i in (-scores).argsort()[:DEPTH]]
        return fuse(dense, self.lexical(text), weights=(2.0, 1.0), k=20)


@dataclass(slots=True)
class Dataset:
    """Questions are fixed when the corpus is made, so that a criterion graded alone sees the same
    ones.
    """

    corpus: Corpus
    paraphrased: list[Question]
    plain: list[Question]
    unanswerable: list[Question]
    oracle: Oracle | None = None
    replies: list[Reply] = field(default_factory=list)
    in_force: dict[str, str] = field(default_factory=dict)
    """texts by id as they were when ``replies`` were given; later criteria change clauses"""
    usage: gateway.Usage | None = None
    changed: set[str] = field(default_factory=set)
    """ids that a later criterion may no longer ask about"""


def build_oracle(corpus: Corpus) -> Oracle:
    """Takes some seconds of CPU: one embedding per clause."""
    live = {c.id: f"{c.title}. {c.text}" for c in corpus.in_force()}
    embedder = Embedder()
    return Oracle(
        embedder, Reader(embedder), list(live), embedder.embed(list(live.values())), Bm25(live)
    )


async def dataset(ctx: Context) -> Dataset:
    """The run's data, ingested once. Raises Unmeasurable when the service would not take them."""
    return await ctx.once(KEY, lambda: _made(ctx))


async def _made(ctx: Context) -> Dataset:
    corpus = generate(ctx.rng("corpus"))
    data = Dataset(
        corpus,
        corpus.questions(QUESTIONS, paraphrased=True, replaced_share=REPLACED_SHARE),
        corpus.questions(PLAIN, paraphrased=False),
        corpus.unanswerable(UNANSWERABLE),
    )
    ctx.note(f"ingesting {len(corpus.clauses)} clauses, {len(corpus.repealed)} of them repealed")
    await _ingest(ctx, corpus)
    return data


async def oracle(data: Dataset) -> Oracle:
    """Made on first use, away from the event loop."""
    if data.oracle is None:
        data.oracle = await asyncio.to_thread(build_oracle, data.corpus)
    return data.oracle


async def _ingest(ctx: Context, corpus: Corpus) -> None:
    docs = [clause.doc() for clause in corpus.clauses.values()]
    for start in range(0, len(docs), BATCH):
        batch = docs[start : start + BATCH]
        response = await ctx.app.request(
            "POST", "/ingest", json={"docs": batch}, timeout_s=INGEST_TIMEOUT_S
        )
        if not response.ok:
            why = response.error or f"answered {response.status}"
            raise Unmeasurable(
                failed(
                    f"The clauses could not be ingested: POST /ingest with {len(batch)} documents "
                    f"{why}.",
                    counted(start, len(docs), "documents"),
                    every("documents"),
                    f"Take {BATCH} documents a request; answer 200 within {INGEST_TIMEOUT_S:g} s, "
                    "once they can be found.",
                    response,
                )
            )


async def replies(ctx: Context, data: Dataset) -> list[Reply]:
    """Answers to the paraphrased questions, asked once per run; the ledger of just these calls is
    kept beside them.
    """
    if not data.replies:
        await gateway.reset(ctx)
        ctx.note(f"asking {len(data.paraphrased)} paraphrased questions")
        data.in_force = {clause.id: clause.text for clause in data.corpus.in_force()}
        data.replies = await ask_all(ctx, data.paraphrased)
        data.usage = await gateway.usage(ctx)
    return data.replies
