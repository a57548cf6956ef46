"""Hybrid retrieval: words know names, vectors know meanings; reciprocal rank fusion lets both
vote.
"""

from __future__ import annotations

from app.embed import Encoder
from app.store import Store

DEPTH = 40
DENSE_WEIGHT, LEXICAL_WEIGHT = 2.0, 1.0
RANK_OFFSET = 20


def search(store: Store, encoder: Encoder, question: str, k: int) -> list[str]:
    """The ids of the ``k`` best clauses in force, best first."""
    depth = max(DEPTH, k)
    scores: dict[str, float] = {}
    for weight, ids in (
        (DENSE_WEIGHT, store.dense(encoder.query(question), depth)),
        (LEXICAL_WEIGHT, store.lexical(question, depth)),
    ):
        for rank, clause_id in enumerate(ids, start=1):
            scores[clause_id] = scores.get(clause_id, 0.0) + weight / (RANK_OFFSET + rank)
    return sorted(scores, key=lambda clause_id: -scores[clause_id])[:k]
