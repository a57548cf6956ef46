"""Retrieval measures against figures worked out by hand."""

from __future__ import annotations

import math

import pytest

from grader.checks.retrieval import Bm25, evaluate, fuse, measured_share, recall_series, wilson


def test_recall_ndcg_and_mrr_of_known_rankings() -> None:
    relevant = {"q1": ["a"], "q2": ["b"], "q3": ["c"]}
    rankings = {"q1": ["a", "x"], "q2": ["x", "y", "b"], "q3": ["x", "y"]}
    quality = evaluate(relevant, rankings, ks=(1, 3))
    assert quality.n == 3
    assert quality.recall == {1: pytest.approx(1 / 3), 3: pytest.approx(2 / 3)}
    assert quality.mrr == pytest.approx((1 + 1 / 3) / 3)
    assert quality.ndcg10 == pytest.approx((1 + 1 / math.log2(4)) / 3)


def test_recall_with_several_relevant_documents_is_a_share() -> None:
    assert evaluate({"q": ["a", "b"]}, {"q": ["a", "x", "b"]}, ks=(1, 3)).recall == {1: 0.5, 3: 1.0}


def test_a_query_without_a_ranking_counts_as_zero() -> None:
    quality = evaluate({"q1": ["a"], "q2": ["b"]}, {"q1": ["a"], "q2": []}, ks=(1,))
    assert quality.recall[1] == 0.5
    assert evaluate({"q1": ["a"], "q2": ["b"]}, {"q1": ["a"]}, ks=(1,)).mrr == 0.5


def test_repeating_an_id_wins_nothing() -> None:
    honest = evaluate({"q": ["b"]}, {"q": ["a", "b"]})
    padded = evaluate({"q": ["b"]}, {"q": ["a", "b", "b", "b"]})
    assert padded.ndcg10 == honest.ndcg10
    assert padded.mrr == honest.mrr


def test_more_than_ten_results_keep_their_order() -> None:
    ids = [f"d{i}" for i in range(12)]
    assert evaluate({"q": ["d10"]}, {"q": ids}, ks=(10, 12)).recall == {10: 0.0, 12: 1.0}


def test_evaluating_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no queries"):
        evaluate({}, {})


def test_bm25_prefers_rare_words_and_breaks_ties_by_id() -> None:
    index = Bm25({"b": "the cat", "a": "the cat", "c": "the dog", "d": "the fish"})
    assert index.rank("the dog")[0] == "c"
    assert index.rank("cat") == ["a", "b"]
    assert index.rank("unknown words only") == []
    assert len(index.rank("the", depth=2)) == 2


def test_fusion_rewards_agreement() -> None:
    assert fuse(["a", "b"], ["b", "c"])[0] == "b"
    assert fuse(["a", "b"], ["b", "a"], weights=(3.0, 1.0))[0] == "a"


@pytest.mark.parametrize(("good", "n"), [(0, 10), (5, 10), (10, 10), (48, 50)])
def test_wilson_encloses_the_share_and_stays_within_bounds(good: int, n: int) -> None:
    low, high = wilson(good, n)
    assert 0.0 <= low <= good / n <= high <= 1.0
    assert high - low > 0


def test_wilson_narrows_with_the_sample() -> None:
    few, many = wilson(8, 10), wilson(80, 100)
    assert many[1] - many[0] < few[1] - few[0]
    assert wilson(0, 0) == (0.0, 1.0)


def test_measured_share_carries_interval_and_sample() -> None:
    measured = measured_share(0.9, 50, "recall@5")
    assert measured.n == 50
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low < 0.9 < measured.high
    assert measured.text.startswith("recall@5 0.90 [")


def test_series_shows_both_sides_by_depth() -> None:
    app = evaluate({"q": ["a"]}, {"q": ["x", "a"]}, ks=(1, 5))
    base = evaluate({"q": ["a"]}, {"q": ["x"]}, ks=(1, 5))
    series = recall_series(app, base, "BM25", 0.9)
    assert series.app == [(1.0, 0.0), (5.0, 1.0)]
    assert series.baseline == [(1.0, 0.0), (5.0, 0.0)]
    assert "BM25" in series.summary
