"""Retrieval quality: rankings to compare with (BM25, dense, fusion) and measures through
ir-measures.

Functions only; a lab's own check brings the corpus and the questions. A ranking is a list of
document ids, best first.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import RR, R, nDCG

from grader.result import Measured, Series

WORD = re.compile(r"[a-z0-9]+")
Z95 = 1.96


def words(text: str) -> list[str]:
    """Lower-case words and numbers."""
    return WORD.findall(text.lower())


class Bm25:
    """Okapi BM25 (k1 = 1.2, b = 0.75) over a small corpus: the naive system that labs compare
    with.
    """

    def __init__(self, documents: Mapping[str, str], k1: float = 1.2, b: float = 0.75) -> None:
        self._counts = {name: Counter(words(text)) for name, text in documents.items()}
        df = Counter(word for counts in self._counts.values() for word in counts)
        total = len(documents)
        self._idf = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in df.items()}
        mean = sum(sum(c.values()) for c in self._counts.values()) / max(1, total)
        self._norm = {
            name: k1 * (1 - b + b * sum(c.values()) / max(mean, 1e-9))
            for name, c in self._counts.items()
        }
        self._k1 = k1

    def rank(self, query: str, depth: int = 50) -> list[str]:
        """Ids by falling score; ties by id, so that a ranking never depends on dictionary order."""
        terms = [(word, self._idf[word]) for word in words(query) if word in self._idf]
        scores: dict[str, float] = {}
        for name, counts in self._counts.items():
            score = sum(
                w * counts[t] * (self._k1 + 1) / (counts[t] + self._norm[name])
                for t, w in terms
                if t in counts
            )
            if score > 0:
                scores[name] = score
        return sorted(scores, key=lambda name: (-scores[name], name))[:depth]


def fuse(
    *rankings: Sequence[str], k: int = 60, weights: Sequence[float] | None = None
) -> list[str]:
    """Reciprocal rank fusion: the sum of weight / (k + rank) over all rankings."""
    scores: dict[str, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for position, name in enumerate(ranking, start=1):
            scores[name] = scores.get(name, 0.0) + weight / (k + position)
    return sorted(scores, key=lambda name: (-scores[name], name))


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over ``n`` queries. ``recall`` maps a depth k to recall@k."""

    n: int
    recall: dict[int, float]
    ndcg10: float
    mrr: float

    def data(self) -> dict[str, float]:
        """Flat figures for a Measurement's ``data``."""
        return {**{f"recall@{k}": round(v, 4) for k, v in self.recall.items()}} | {
            "ndcg@10": round(self.ndcg10, 4),
            "mrr": round(self.mrr, 4),
        }


def evaluate(
    relevant: Mapping[str, Sequence[str]],
    rankings: Mapping[str, Sequence[str]],
    ks: Sequence[int] = (1, 3, 5, 10),
) -> Quality:
    """Measure rankings against the relevant ids of each query.

    A query without a ranking, or with an empty one, counts as zero; an id that comes twice counts
    where it came first. Raises ValueError when there is no query.
    """
    if not relevant:
        raise ValueError("no queries to evaluate")
    qrels = {query: dict.fromkeys(ids, 1) for query, ids in relevant.items()}
    run: dict[str, dict[str, float]] = {}
    for query in relevant:
        unique = list(dict.fromkeys(rankings.get(query, ())))
        run[query] = {name: float(len(unique) - position) for position, name in enumerate(unique)}
    measures = [R @ k for k in ks] + [nDCG @ 10, RR]
    sums = {str(m): 0.0 for m in measures}
    for metric in ir_measures.iter_calc(measures, qrels, run):
        sums[str(metric.measure)] += float(metric.value)
    n = len(qrels)
    return Quality(
        n, {k: sums[str(R @ k)] / n for k in ks}, sums[str(nDCG @ 10)] / n, sums[str(RR)] / n
    )


def wilson(successes: float, n: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a share; (0, 1) for an empty sample."""
    if n <= 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def measured_share(share: float, n: int, what: str) -> Measured:
    """A share of ``n`` trials with its 95 % interval, e.g.

    ``recall@5 0.93 [0.84, 0.97], n = 60``.
    """
    low, high = wilson(share * n, n)
    text = f"{what} {share:.2f} [{low:.2f}, {high:.2f}], n = {n}"
    return Measured(
        value=round(share, 4), unit="share", low=round(low, 4), high=round(high, 4), n=n, text=text
    )


def recall_series(app: Quality, baseline: Quality, name: str, threshold: float) -> Series:
    """Recall by k for the learner and a comparison system, as (k, recall) bars."""
    at = ", ".join(f"{v:.2f} at {k} ({baseline.recall[k]:.2f})" for k, v in app.recall.items())
    return Series(
        kind="bars",
        title="Recall by number of results",
        unit="share",
        app=[(float(k), round(v, 4)) for k, v in app.recall.items()],
        baseline=[(float(k), round(baseline.recall[k], 4)) for k in app.recall],
        threshold=round(threshold, 4),
        summary=f"Recall by depth, with {name} in brackets: {at}.",
    )
