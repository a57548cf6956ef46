"""What the bricks of cost, retrieval and ratios say, word for word: pages show it as it stands."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import cost
from grader.checks.cost import (
    Bill,
    Hit,
    PeakMemory,
    PeakMemoryParams,
    Resources,
    budget_kept,
    cache_hits,
    calls_beyond,
    cost_per_correct,
    per_thousand,
    read_resources,
)
from grader.checks.retrieval import (
    Bm25,
    Quality,
    evaluate,
    fuse,
    measured_share,
    recall_series,
    wilson,
)
from grader.result import CheckResult, Measurement, Outcome
from grader.stats.ratio import Decision, decide, next_look, ratio_measured, ratio_rule
from grader.verdict import not_judged

REFERENCE = Bill(10, 1000, 100, 5000)


def told(measurement: Measurement) -> tuple[Any, ...]:
    """(outcome, message, value, unit, n, text of the figure, rule, advice)"""
    m, r = measurement.measured, measurement.rule
    rule = (r.op, r.threshold, r.unit, r.text)
    figure = (m.value, m.unit, m.n, m.text)
    return measurement.outcome.value, measurement.message, figure, rule, measurement.advice


PRICE = ("at_most", 0.5, "ratio", "at most 0.5 x the reference's cost")


@pytest.mark.parametrize(
    ("micro", "correct", "expected"),
    [
        (
            2000,  # exactly at the bound
            8,
            (
                "passed",
                "Correct answers came at the price they may have.",
                (
                    0.5,
                    "ratio",
                    8,
                    "0.50 x the reference (250000 against 500000 micro-units per thousand correct "
                    "answers)",
                ),
                PRICE,
                "",
            ),
        ),
        (
            3700,
            9,
            (
                "failed",
                "A thousand correct answers cost 411111 micro-units, 0.82 times what the "
                "reference pays.",
                (
                    0.8222,
                    "ratio",
                    9,
                    "0.82 x the reference (411111 against 500000 micro-units per thousand correct "
                    "answers)",
                ),
                PRICE,
                cost.CHEAPER,
            ),
        ),
        (
            3700,
            0,
            (
                "failed",
                "No answer was correct, so nothing can be said of its price.",
                (None, "ratio", 9, "no correct answer"),
                PRICE,
                cost.RIGHT_FIRST,
            ),
        ),
    ],
)
def test_cost_per_correct_answer(micro: int, correct: int, expected: tuple[Any, ...]) -> None:
    assert told(cost_per_correct(Bill(9, 500, 50, micro), correct, REFERENCE, 10, 0.5)) == expected


@pytest.mark.parametrize("against", [(Bill(1, 1, 1, 0), 10), (Bill(1, 1, 1, 5), 0)])
def test_there_must_be_something_to_compare_with(against: tuple[Bill, int]) -> None:
    with pytest.raises(ValueError, match=r"^the system to compare with needs a cost and correct"):
        cost_per_correct(Bill(1, 1, 1, 1), 1, *against, 0.5)


def test_a_thousand_correct_answers() -> None:
    assert per_thousand(Bill(1, 1, 1, 3), 2) == 1500
    assert per_thousand(Bill(1, 1, 1, 3), 1) == 3000
    assert per_thousand(Bill(1, 1, 1, 3), 0) == math.inf


GOOD, LIE, MISS = Hit("good", True, True), Hit("q" * 300, True, False), Hit("miss", False, True)
CACHE = ("at_least", 0.75, "share", "at least 0.75 from the cache, at most 0.25 of them wrong")


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        (
            [GOOD, GOOD, LIE, LIE, *[GOOD] * 4, MISS, MISS],  # 8 of 10, 2 of 8 wrong: the bounds
            (
                "passed",
                "Repeated questions cost nothing, and their answers are right.",
                (0.8, "share", 10, "8 of 10 from the cache, 2 of them wrong"),
                CACHE,
                "",
            ),
        ),
        (
            [GOOD, GOOD, MISS, GOOD],
            (
                "passed",
                "Repeated questions cost nothing, and their answers are right.",
                (0.75, "share", 4, "3 of 4 from the cache, 0 of them wrong"),
                CACHE,
                "",
            ),
        ),
        (
            [GOOD, LIE],
            (
                "failed",
                f"1 of 2 cached answers are wrong, e.g. for {'q' * 200!r}.",
                (1.0, "share", 2, "2 of 2 from the cache, 1 of them wrong"),
                CACHE,
                cost.EXACT_SLOTS,
            ),
        ),
        (
            [MISS, MISS, GOOD],
            (
                "failed",
                "Only 1 of 3 repeated questions were answered without asking a model.",
                (0.3333, "share", 3, "1 of 3 from the cache, 0 of them wrong"),
                CACHE,
                cost.SHARED_CACHE,
            ),
        ),
        (
            [MISS],
            (
                "failed",
                "Only 0 of 1 repeated questions were answered without asking a model.",
                (0.0, "share", 1, "0 of 1 from the cache, 0 of them wrong"),
                CACHE,
                cost.SHARED_CACHE,
            ),
        ),
    ],
)
def test_cache_hits(hits: list[Hit], expected: tuple[Any, ...]) -> None:
    assert told(cache_hits(hits, 0.75, 0.25)) == expected


def test_a_cache_without_questions_is_none() -> None:
    with pytest.raises(ValueError, match=r"^there are no questions$"):
        cache_hits([], 0.5, 0.1)


def paid(micro: int, end: float | None) -> dict[str, Any]:
    return {"cost_micro": micro, "end": end}


@pytest.mark.parametrize(
    ("rows", "at_least", "expected"),
    [
        (
            [paid(40, 2.0), paid(60, 1.0)],
            1.0,
            (
                "passed",
                "Spending stayed within the budget.",
                (1.0, "share", 2, "100 of 100 micro-units spent"),
                ("at_most", 1.0, "share", "between 1 and 1 of the budget, never above"),
                "",
            ),
        ),
        (
            [paid(40, 3.0), paid(60, 1.0), paid(0, 4.0), paid(5, None), paid(1, 2.0)],
            0.0,
            (
                "failed",
                "6 micro-units were spent beyond the budget, by 2 calls.",
                (1.06, "share", 5, "106 of 100 micro-units spent"),
                ("at_most", 1.0, "share", "between 0 and 1 of the budget, never above"),
                cost.RESERVE,
            ),
        ),
        (
            [paid(33, 1.0)],
            0.5,
            (
                "failed",
                "Only 33% of the budget was spent, and requests that it would have paid for got "
                "nothing.",
                (0.33, "share", 1, "33 of 100 micro-units spent"),
                ("at_most", 1.0, "share", "between 0.5 and 1 of the budget, never above"),
                "Refuse only what the rest of the budget can't pay.",
            ),
        ),
    ],
)
def test_a_budget(rows: list[dict[str, Any]], at_least: float, expected: tuple[Any, ...]) -> None:
    assert told(budget_kept(rows, 100, at_least)) == expected
    if not at_least:
        assert told(budget_kept(rows, 100)) == expected, "nothing has to be spent by default"


def test_a_share_of_the_budget_has_four_places() -> None:
    assert budget_kept([paid(1, 1.0)], 3).measured.value == 0.3333
    assert budget_kept([paid(1, 1.0)], 1).outcome is Outcome.PASSED
    for budget in (0, -1):
        with pytest.raises(ValueError, match=r"^a budget is positive$"):
            budget_kept([], budget)


def test_calls_beyond_count_from_the_first_that_the_budget_did_not_hold() -> None:
    rows = [paid(5, 1.0), paid(5, 2.0), paid(1, 3.0), paid(0, 4.0), paid(1, None)]
    assert calls_beyond(rows, 10) == 2
    assert calls_beyond(list(reversed(rows)), 10) == 2, "by the end of the calls"
    assert calls_beyond(rows, 4) == 4
    assert calls_beyond([], 0) == 0


def engine(peaks: dict[str, int]) -> Any:
    async def control(action: str, party: str) -> dict[str, Any]:
        assert action == "usage"
        return {"cpu_s": 1.5, "memory_peak_bytes": peaks[party]}

    return SimpleNamespace(replicas=tuple(peaks), control=control)


async def test_the_copy_that_takes_most_memory_decides() -> None:
    mb = 1 << 20
    check = PeakMemory(PeakMemoryParams(at_most_mb=100))
    rule = ("at_most", 100.0, "MB", "at most 100 MB at the peak")
    assert told(await check.run(engine({"app-1": 100 * mb, "app-2": 60 * mb}))) == (
        "passed",
        "Memory stayed within its bound.",
        (100.0, "MB", 2, "100 MB at the peak"),
        rule,
        "",
    )
    assert told(await check.run(engine({"app-1": 60 * mb, "app-2": 100 * mb + mb // 4}))) == (
        "failed",
        "app-2 took 100 MB at its peak.",
        (100.2, "MB", 2, "100 MB at the peak"),
        rule,
        "Bound what is kept per request, and stream instead of collecting.",
    )
    both = await read_resources(engine({"a": 3, "b": 4}), ("a", "b"))
    assert both == Resources(cpu_s=3.0, memory_peak_bytes=7)


def test_figures_of_retrieval() -> None:
    quality = Quality(3, {1: 1 / 3, 5: 2 / 3}, 0.123456, 0.654321)
    data = {"recall@1": 0.3333, "recall@5": 0.6667, "ndcg@10": 0.1235, "mrr": 0.6543}
    assert quality.data() == data
    share = measured_share(0.93333, 60, "recall@5")
    assert (share.value, share.unit, share.low, share.high, share.n, share.text) == (
        0.9333,
        "share",
        0.8407,
        0.9738,
        60,
        "recall@5 0.93 [0.84, 0.97], n = 60",
    )
    other = Quality(3, {1: 0.5, 5: 0.75555, 9: 1.0}, 0.0, 0.0)
    series = recall_series(quality, other, "BM25", 0.123456)
    assert series.model_dump(exclude_defaults=True) == {
        "kind": "bars",
        "title": "Recall by number of results",
        "unit": "share",
        "app": [(1.0, 0.3333), (5.0, 0.6667)],
        "baseline": [(1.0, 0.5), (5.0, 0.7556)],
        "threshold": 0.1235,
        "summary": "Recall by depth, with BM25 in brackets: 0.33 at 1 (0.50), 0.67 at 5 (0.76).",
    }


def test_wilsons_interval_of_known_samples() -> None:
    """Against the closed form, worked out by hand for z = 1.96."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.27754), abs=1e-5)
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94331), abs=1e-5)
    assert wilson(10, 10) == pytest.approx((0.72246, 1.0), abs=1e-5)
    assert wilson(5, 10, z=1.0) == pytest.approx((0.34924, 0.65076), abs=1e-5)
    assert wilson(0, 0) == wilson(3, -1) == (0.0, 1.0)
    assert wilson(1, 1)[0] > 0.2


def test_bm25_scores_as_its_formula_does() -> None:
    """Order and cut; documents that hold no word of the query are left out."""
    documents = {
        "short": "red fox",
        "long": "red fox " + "grey " * 12,
        "twice": "red red fox",
        "none": "blue whale",
    }
    ranked = Bm25(documents)
    assert ranked.rank("red fox") == ["twice", "short", "long"]
    assert ranked.rank("red fox", depth=2) == ["twice", "short"]
    assert ranked.rank("RED, unknown") == ["twice", "short", "long"]
    assert ranked.rank("nothing") == []
    assert len(Bm25({str(n): "a" for n in range(60)}).rank("a")) == 50
    assert Bm25({}).rank("a") == []
    # Without the length's part (b = 0) the long one is no worse, and its name decides.
    assert Bm25({"b": "red fox", "a": "red fox " + "grey " * 12}, b=0).rank("red") == ["a", "b"]
    # With much saturation a second occurrence is worth next to nothing against the length.
    assert Bm25(documents, k1=0.01).rank("red") == ["twice", "short", "long"]
    inner = Bm25({"x": "a b", "y": "a a a c"})
    norm = {name: round(value, 6) for name, value in inner._norm.items()}
    assert norm == {"x": 0.9, "y": 1.5}
    idf = {word: round(value, 6) for word, value in inner._idf.items()}
    assert idf == {"a": 0.182322, "b": 0.693147, "c": 0.693147}


def test_fusion_weighs_ranks() -> None:
    one, two = ["a", "b", "c"], ["c", "d"]
    assert fuse(one, two) == ["c", "a", "b", "d"]
    assert fuse(one, two, weights=(2.0, 1.0), k=20) == ["c", "a", "b", "d"]
    assert fuse(one, two, weights=(10.0, 1.0), k=1) == ["a", "b", "c", "d"]
    assert fuse(["b", "a"], ["a", "b"]) == ["a", "b"], "a tie goes by the id"
    assert fuse(["x"], ["y", "z"], weights=(0.0, 1.0)) == ["y", "z", "x"]
    assert fuse(["p", "q"], ["q"], k=0) == ["q", "p"]
    with pytest.raises(ValueError):
        fuse(one, two, weights=(1.0,))


def test_depths_of_an_evaluation() -> None:
    found = evaluate({"q": ["a", "b"], "p": ["c"]}, {"q": ["a", "x", "b"], "p": ["y", "c"]})
    assert found.n == 2
    assert found.recall == {1: 0.25, 3: 1.0, 5: 1.0, 10: 1.0}
    assert found.mrr == 0.75
    assert round(found.ndcg10, 4) == round((1.5 / (1 + 1 / math.log2(3)) + 1 / math.log2(3)) / 2, 4)
    assert evaluate({"q": ["a"]}, {}, ks=(2,)).recall == {2: 0.0}
    with pytest.raises(ValueError, match=r"^no queries to evaluate$"):
        evaluate({}, {})


def test_words_of_a_ratio() -> None:
    rule = ratio_rule(4, "at_least")
    assert (rule.op, rule.threshold, rule.unit) == ("at_least", 4.0, "ratio")
    assert rule.text == "at least 4.00 × baseline"
    rule = ratio_rule(0.5, "at_most")
    assert (rule.op, rule.threshold, rule.unit) == ("at_most", 0.5, "ratio")
    assert rule.text == "at most 0.50 × baseline"
    nothing = ratio_measured(Decision(None, 1.0, 0.0, math.inf, 0))
    assert (nothing.value, nothing.unit, nothing.n) == (None, "ratio", 0)
    assert nothing.text == "nothing measured yet"
    few = ratio_measured(Decision(None, 1.234, 0.0, math.inf, 1))
    assert (few.value, few.unit, few.n, few.low, few.high) == (1.234, "ratio", 1, None, None)
    assert few.text == "1.23 × baseline, n = 1: too few for an interval"
    many = ratio_measured(Decision(Outcome.PASSED, 1.234, 1.1, 1.456, 14))
    assert (many.value, many.unit, many.n, many.low, many.high) == (1.234, "ratio", 14, 1.1, 1.456)
    assert many.text == "1.23 × baseline [1.10, 1.46], n = 14"


def test_looks_and_margins_of_a_ratio() -> None:
    assert [next_look(n) for n in (0, 13, 14, 20, 59, 60)] == [14, 14, 20, 28, 60, None]
    assert decide([], 2, "at_least") == Decision(None, 1.0, 0.0, math.inf, 0)
    seen = decide([math.log(3.0), math.log(2.0)], 2, "at_least")
    assert seen.outcome is None
    assert (round(seen.ratio, 6), seen.low, seen.high, seen.n) == (2.44949, 0.0, math.inf, 2)
    edge = [math.log(2) + math.log(1.03)] * 14
    assert decide(edge, 2, "at_least").outcome is None, "3 % beyond, and not only at it"
    assert decide([v + 1e-9 for v in edge], 2, "at_least").outcome is Outcome.PASSED
    assert decide([v + 1e-9 for v in edge], 2, "at_most").outcome is Outcome.FAILED
    below = [math.log(2) - math.log(1.03)] * 14
    assert decide(below, 2, "at_most").outcome is None
    assert decide([v - 1e-9 for v in below], 2, "at_most").outcome is Outcome.PASSED
    assert decide([v - 1e-9 for v in below], 2, "at_least").outcome is Outcome.FAILED
    assert decide([0.0] * 60, 1, "at_most").outcome is Outcome.INCONCLUSIVE
    assert decide([0.0] * 59, 1, "at_most").outcome is None
    found = decide([math.log(n) for n in range(1, 31)], 1000, "at_most")
    assert (round(found.low, 6), round(found.high, 6), found.n) == (5.0, 24.0, 28)
    assert round(found.ratio, 6) == round(math.sqrt(14 * 15), 6)


def test_what_was_not_judged_is_named() -> None:
    def result(title: str, ours: bool) -> CheckResult:
        return CheckResult(
            criterion=title.lower(),
            check="lab:x.Y",
            title=title,
            message="",
            max_points=1,
            points=0,
            gate=False,
            outcome=Outcome.INCONCLUSIVE,
            our_fault=ours,
        )

    said = not_judged([result("One", True), result("Two", False), result("Three", True)])
    assert said == "Not judged, because a check of ours failed in itself: “One”, “Three”."
