"""The vector-search lab without an engine: its corpus, its judgements, and what its wrong
submissions would break.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import types
from typing import Any

import numpy as np
import pytest
from labkit import LABS, check_of, lab_checks

from grader.checks.once import Once
from grader.http.response import Response
from grader.load.targeter import Answer
from grader.result import Outcome

LAB = LABS / "vector-search"


@pytest.fixture(scope="module")
def checks() -> Any:
    """The lab's modules by name, imported as the probe imports them."""
    with lab_checks("vector-search"):
        names = ("corpus", "asking", "quality", "speed", "writes", "cases", "changes")
        yield types.SimpleNamespace(
            **{name: importlib.import_module(f"lab_checks.{name}") for name in names}
        )


@pytest.fixture(scope="module")
def corpus(checks: Any) -> Any:
    return checks.corpus.make(random.Random("a seed"))


def test_the_corpus_depends_on_the_seed_alone(checks: Any, corpus: Any) -> None:
    again, other = (
        checks.corpus.make(random.Random("a seed")),
        checks.corpus.make(random.Random("another")),
    )
    assert again.ids == corpus.ids
    assert np.array_equal(again.v, corpus.v)
    assert not set(other.ids) & set(corpus.ids)


def test_one_large_tenant_and_ten_that_own_two_percent(checks: Any, corpus: Any) -> None:
    sizes = [len(corpus.rows(t)) for t in range(len(corpus.tenants))]
    assert len(set(corpus.tenants)) == len(sizes) == 11
    assert sizes[0] == 0.8 * len(corpus.ids)
    assert {size / len(corpus.ids) for size in sizes[1:]} == {0.02}


def test_length_means_nothing_so_euclid_is_wrong(checks: Any, corpus: Any) -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(30):
        v = checks.corpus.near(corpus, int(rng.choice(corpus.rows(0))), rng)
        rows = corpus.rows(0)
        euclid = rows[np.argsort(np.linalg.norm(corpus.v[rows] - v, axis=1))[:10]]
        shares.append(len({corpus.ids[r] for r in euclid} & set(corpus.exact(0, v, 10))) / 10)
    assert np.mean(shares) < 0.7


def test_filtering_forty_of_everybody_leaves_small_tenants_nearly_empty(
    checks: Any, corpus: Any
) -> None:
    rng = np.random.default_rng(2)
    shares = []
    for tenant in range(1, 11):
        v = checks.corpus.near(corpus, int(rng.choice(corpus.rows(tenant))), rng)
        nearest = np.argsort(-(corpus.unit @ (v / np.linalg.norm(v))))[:40]
        kept = {corpus.ids[r] for r in nearest if corpus.owner[r] == tenant}
        shares.append(len(kept & set(corpus.exact(tenant, v, 10))) / 10)
    assert np.mean(shares) < 0.6


def test_the_truth_keeps_to_tenant_and_days(corpus: Any) -> None:
    index = {i: row for row, i in enumerate(corpus.ids)}
    found = [index[i] for i in corpus.exact(0, corpus.v[0], 10, (100, 124))]
    assert len(found) == 10
    assert all(corpus.owner[r] == 0 and 100 <= corpus.day[r] <= 124 for r in found)


def test_a_leak_between_tenants_would_show(checks: Any, corpus: Any) -> None:
    """Near copies: the best of everybody is often another tenant's."""
    rng = np.random.default_rng(3)
    foreign = 0
    for tenant in range(1, 11):
        v = checks.corpus.near(corpus, int(rng.choice(corpus.rows(tenant))), rng)
        nearest = np.argsort(-(corpus.unit @ (v / np.linalg.norm(v))))[:10]
        foreign += any(corpus.owner[r] != tenant for r in nearest)
    assert foreign >= 8


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"hits": [{"id": "a", "score": 1.0}]}, ["a"]),
        ({"hits": []}, []),
        ({"hits": [{"id": 3}]}, None),
        ({"hits": "none"}, None),
        ([], None),
        (None, None),
    ],
)
def test_answers_without_the_shape_are_none(checks: Any, document: Any, ids: Any) -> None:
    assert checks.asking.ids_of(document) == ids


def answer(ids: list[str], status: int = 200) -> Answer:
    return Answer(
        status, [], json.dumps({"hits": [{"id": i, "score": 0.5} for i in ids]}).encode(), []
    )


def test_under_load_the_shape_is_judged_at_once_and_recall_over_all(
    checks: Any, corpus: Any
) -> None:
    recalled = checks.speed.Recalled()
    data = types.SimpleNamespace(corpus=corpus)
    request = recalled.request(data, corpus.v[int(corpus.rows(0)[0])])
    truth = corpus.exact(0, corpus.v[int(corpus.rows(0)[0])], 10)
    assert request.validate is not None
    assert request.validate(answer(truth)) == ""
    assert request.validate(answer([f"x{n}" for n in range(10)])) == ""
    assert recalled.mean == 0.5
    assert "10 different hits" in request.validate(answer(truth[:9]))
    assert "10 different hits" in request.validate(answer([truth[0]] * 10))
    assert "503" in request.validate(answer(truth, 503))


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("", ""),
        ("rounded", ""),
        ("worst first", "before one of"),
        ("distances", "its cosine similarity is"),
        ("words", "its cosine similarity is"),
        ("foreign", ""),
    ],
)
def test_hits_stand_best_first_with_their_cosine(
    checks: Any, corpus: Any, flaw: str, said: str
) -> None:
    v = checks.corpus.near(corpus, int(corpus.rows(0)[0]), np.random.default_rng(5))
    ids = corpus.exact(0, v, 10)
    cosines = [float(corpus.unit[corpus.row_of[i]] @ v / np.linalg.norm(v)) for i in ids]
    hits: list[dict[str, Any]] = [{"id": i, "score": c} for i, c in zip(ids, cosines, strict=True)]
    if flaw == "worst first":
        hits.reverse()
    if flaw == "foreign":
        hits.insert(0, {"id": "a bulk load's", "score": 7})
    for hit in hits:
        if flaw in ("rounded", "distances", "words"):
            new = {
                "rounded": round(hit["score"], 2),
                "distances": 1 - hit["score"],
                "words": "high",
            }
            hit["score"] = new[flaw]
    found = checks.quality.misjudged(types.SimpleNamespace(corpus=corpus), v, {"hits": hits})
    assert said in found
    assert bool(found) == bool(said)


def test_recall_is_judged_by_its_worst_group(checks: Any) -> None:
    shown = checks.asking.Found([], "", Response("POST", "/search", {}, b"", "app", 0.0, 0.0))
    good = checks.quality.judged(
        {"a": [1.0] * 9 + [0.6], "b": [1.0] * 10}, shown, 0.95, "advice", "searches"
    )
    bad = checks.quality.judged(
        {"a": [1.0] * 10, "b": [0.9] * 10}, shown, 0.95, "advice", "searches"
    )
    assert (good.outcome, bad.outcome) == (Outcome.PASSED, Outcome.FAILED)
    assert bad.measured.value == 0.9
    assert bad.advice


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ([1.0, 1.2, 2.0, 1.1, 1.3], Outcome.PASSED),
        ([30.0, 25.0, 40.0, 20.0, 28.0], Outcome.FAILED),
        ([1.0, 9.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0], Outcome.INCONCLUSIVE),
        ([1.0] * 8 + [9.0] * 2, Outcome.PASSED),
    ],
)
def test_the_bulk_load_is_judged_by_its_turns(
    checks: Any, ratios: list[float], outcome: Outcome
) -> None:
    check: Any = check_of("vector-search", "speed.Bulk")
    rule = checks.speed.Rule(op="at_most", threshold=6.0, unit="ratio", text="at most 6 × quiet")
    assert check._say(ratios, rule, "advice").outcome is outcome


async def test_memory_is_a_ratio_to_the_raw_vectors(checks: Any) -> None:
    for grown, outcome in ((4_000_000, Outcome.PASSED), (6_000_000, Outcome.FAILED)):
        data = checks.asking.Loaded(None, (100_000_000, 100_000_000 + grown), 10_000_000)
        ctx = context(Told([]), data)
        found = await check_of("vector-search", "writes.Memory").run(ctx)
        assert found.outcome is outcome


class Told:
    """A target that answers searches by a list: ids, or a status that is an error."""

    def __init__(self, *answers: list[str] | int) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, json: Any = None, **_: Any) -> Response:
        self.asked.append(json)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response = Response(method, path, {}, b"", "app", 0.0, 0.0)
        response.status = said if isinstance(said, int) else 200
        response.chunks = [(0.0, answer([] if isinstance(said, int) else said).body)]
        return response


def context(target: Told, data: Any = None) -> Any:
    """``data``: what both systems hold already."""
    run = Once()
    run.shared["loaded"] = data
    return types.SimpleNamespace(app=target, seed="0123456789", rng=random.Random, once=run.once)


async def test_a_broken_connection_is_no_lost_write(checks: Any) -> None:
    v = np.ones(384, np.float32)
    for answers, lost in (
        ([503, 503, ["kept"]], []),
        ([503, []], ["kept"]),
        ([["other"]], ["kept"]),
    ):
        gone = await checks.writes._missing(context(Told(*answers)), [("kept", v)])
        assert [name for name, _ in gone] == lost


async def test_what_an_index_misses_once_is_no_lost_write(checks: Any) -> None:
    target = Told(["other"], ["other"], ["kept", "other"])
    assert await checks.writes._missing(context(target), [("kept", np.ones(384, np.float32))]) == []
    first, *around = (np.array(body["v"]) for body in target.asked)
    for v in around:
        assert 0.8 < first @ v / np.linalg.norm(first) / np.linalg.norm(v) < 0.97


def test_the_newest_writes_are_all_searched_for(checks: Any) -> None:
    kept = [(f"w{n}", np.zeros(1)) for n in range(500)]
    names = [name for name, _ in checks.writes._sample(context(Told([])), "app", kept)]
    assert set(names) >= {f"w{n}" for n in range(440, 500)}
    assert len(names) == len(set(names)) == 100
    assert len(checks.writes._sample(context(Told([])), "app", kept[:3])) == 3


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("foreign", "failed"), ("bulk", "failed"), ("none", "passed"), (503, "failed")],
)
async def test_one_foreign_id_fails_the_tenants(
    checks: Any, corpus: Any, said: str | int, outcome: str
) -> None:
    """An id of the largest tenant is foreign to the others; one that the corpus has not is foreign
    to all.
    """
    ids = {"foreign": [corpus.ids[int(corpus.rows(0)[0])]], "bulk": ["a bulk load's"], "none": []}
    data = checks.asking.Loaded(corpus, (0, 0), 1)
    ctx = context(Told(ids[said] if isinstance(said, str) else said), data)
    found = await check_of("vector-search", "quality.Tenants").run(ctx)
    assert found.outcome.value == outcome
    assert len(ctx.app.asked) == 240


async def test_a_bulk_load_goes_on_until_it_is_stopped_and_tells_a_refusal(checks: Any) -> None:
    bodies = checks.speed._bulk_bodies(context(Told([])), 0)
    assert len({json.loads(body)["items"][0]["id"] for body in bodies}) == checks.speed.PREPARED
    stop = asyncio.Event()
    stop.set()
    assert await checks.speed._bulk_load(context(Told([])), bodies, stop) is None
    refused = await checks.speed._bulk_load(context(Told(500)), bodies, asyncio.Event())
    assert refused is not None
    assert "500" in refused[0]


def test_what_takes_a_vectors_place_is_never_near_it_by_luck(checks: Any, corpus: Any) -> None:
    """Ten of three hundred are often strangers to each other: a right service would have failed."""
    rng = np.random.default_rng(5)
    for row in [int(r) for r in corpus.rows(1)[:40]] + [int(corpus.rows(0)[0])]:
        v = checks.changes.fresh(corpus, row, rng)
        others = [r for r in corpus.rows(int(corpus.owner[row])) if r != row]
        cosine = float(v @ corpus.unit[row]) / float(np.linalg.norm(v))
        nearer = int(np.sum(corpus.unit[others] @ corpus.unit[row] > cosine))
        assert nearer >= 3 * checks.asking.K
