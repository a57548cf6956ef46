"""The fraud lab without an engine: its model, its judgements, and its folder."""

from __future__ import annotations

import json
import random
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fast_inference_kit import LAB, WIDTH, Service, context, lab_modules
from labkit import check_of, measured

from grader.checks.base import Check
from grader.lab import load_expectation, load_lab
from grader.load.targeter import Answer
from grader.result import Outcome

WRONG = sorted(p.name for p in (LAB / "submissions").glob("wrong_*"))


@pytest.fixture(scope="module")
def checks() -> Iterator[Any]:
    with lab_modules() as made:
        yield made


def run_of(check: type[Check]) -> Check:
    module = check.__module__.rpartition(".")[2]
    return check_of("fast-inference", f"{module}.{check.__name__}")


# -- the folder


def test_every_criterion_is_broken_by_a_wrong_submission() -> None:
    lab = load_lab(LAB)
    broken = {fail for name in WRONG for fail in load_expectation(lab, name).fails}
    assert broken == {c.id for c in lab.spec.rubric.criteria}


# -- the model and its rows


def test_the_model_depends_on_the_seed_alone(checks: Any) -> None:
    one, same, other = (checks.model.make(random.Random(seed)) for seed in ("a", "a", "b"))
    assert np.array_equal(one.first, same.first)
    assert one.bias == same.bias
    assert not np.array_equal(one.head, other.head)


def test_scores_spread_and_no_constant_answer_is_right_more_often_than_not(checks: Any) -> None:
    made, g = checks.model.make(random.Random(1)), np.random.default_rng(2)
    z = made.logits(checks.model.inputs([checks.model.bag(g) for _ in range(1000)]))
    assert 0.4 < np.mean(z >= 0) < 0.6
    assert 2 < z.std() < 4


def test_three_bits_change_decisions_and_eight_do_not(checks: Any) -> None:
    made, g = checks.model.make(random.Random(1)), np.random.default_rng(2)
    x = checks.model.inputs([checks.model.bag(g) for _ in range(1000)])

    def rounded(levels: int) -> Any:
        def few(w: np.ndarray) -> np.ndarray:
            step = np.abs(w).max() / levels
            return np.asarray(np.rint(w / step) * step)

        return checks.model.Model(
            few(made.first), [(few(a), few(b)) for a, b in made.blocks], few(made.head), made.bias
        )

    agree = [float(np.mean((rounded(n).logits(x) >= 0) == (made.logits(x) >= 0))) for n in (127, 3)]
    assert agree[0] > 0.97
    assert agree[1] < 0.93


def test_an_order_of_ids_does_not_matter_and_is_never_sent_twice(checks: Any) -> None:
    assert np.array_equal(checks.model.inputs([[3, 1, 1]]), checks.model.inputs([[1, 3, 1]]))
    made = types.SimpleNamespace(load=[list(range(20))], load_logits=np.array([1.0]))
    rows = checks.asking.Rows(made, random.Random(5))
    bodies = [rows.request().body for _ in range(400)]
    assert len(set(bodies)) == len(bodies)
    known = [body for body in bodies if sorted(json.loads(body)["ids"]) == list(range(20))]
    assert 110 < len(known) < 210


# -- answers


@pytest.mark.parametrize(
    ("document", "score"),
    [
        ({"score": 0.7, "decision": "fraud"}, 0.7),
        ({"score": 0.5, "decision": "fraud"}, 0.5),
        ({"score": 0.2, "decision": "ok"}, 0.2),
        ({"score": 0.7, "decision": "ok"}, None),
        ({"score": True, "decision": "fraud"}, None),
        ({"score": float("nan"), "decision": "ok"}, None),
        ({"score": 1.5, "decision": "fraud"}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_score_comes_with_the_decision_that_belongs_to_it(
    checks: Any, document: Any, score: float | None
) -> None:
    assert checks.asking.score_in(document) == score


@pytest.mark.parametrize(
    "document", [None, {"vectors": [[1.0] * 383]}, {"vectors": [["x"] * 384]}, {"vectors": []}]
)
def test_what_is_no_list_of_vectors_is_none(checks: Any, document: Any) -> None:
    assert checks.texts.vectors_in(document, 1) is None
    assert checks.texts.vectors_in({"vectors": [[0.1] * 384]}, 1).shape == (1, 384)


def test_decisions_under_load_are_held_against_quiet_ones(checks: Any) -> None:
    made = types.SimpleNamespace(load=[[1, 2, 3]], load_logits=np.array([1.0]))
    rows = checks.asking.Rows(made, random.Random(5))
    while rows.tally.total < 100:
        _answer(rows, fraud=bool(rows.tally.total % 4))
    assert (rows.tally.right, rows.tally.share) == (75, 0.75)
    assert "503" in rows.request().validate(Answer(503, [], b"{}", []))


def test_a_near_tie_may_be_decided_either_way_under_load_too(checks: Any) -> None:
    made = types.SimpleNamespace(load=[[1, 2, 3]], load_logits=np.array([0.05]))
    rows = checks.asking.Rows(made, random.Random(5))
    while rows.tally.total < 40:
        _answer(rows, fraud=bool(rows.tally.total % 2))
    assert rows.tally.share == 1.0


def _answer(rows: Any, *, fraud: bool) -> None:
    said = {"score": 0.9 if fraud else 0.1, "decision": "fraud" if fraud else "ok"}
    assert rows.request().validate(Answer(200, [], json.dumps(said).encode(), [])) == ""


@pytest.mark.parametrize(
    ("far", "total", "alone", "invented"),
    [
        (
            23,
            300,
            0.0,
            True,
        ),  # every fourth of those that wait is guessed, half of the guesses are wrong
        (16, 300, 0.0, True),
        (3, 300, 0.0, False),
        (6, 300, 0.01, False),
        (20, 39, 0.0, False),  # too few to say
        (60, 300, 0.2, False),  # of few bits: as far when asked alone
        (120, 3000, 0.0, True),
        (0, 3000, 0.0, False),
    ],
)
def test_scores_far_from_the_truth_under_load_are_invented(
    checks: Any, far: int, total: int, alone: float, invented: bool
) -> None:
    assert (
        checks.asking.UnderLoad(right=total - far // 2, total=total, far=far).invents(alone)
        is invented
    )


@pytest.mark.parametrize(
    ("right", "total", "alone", "guessed"),
    [
        (70, 100, 0.98, True),
        (20, 39, 0.98, False),  # too few to say
        (
            193,
            301,
            0.72,
            False,
        ),  # seen of few bits: wrong as often when asked alone, give or take the rows' luck
        (1930, 3010, 0.72, False),
        (1700, 3010, 0.72, True),
        (2400, 3000, 0.97, True),
    ],
)
def test_decisions_under_load_are_worse_only_beyond_luck(
    checks: Any, right: int, total: int, alone: float, guessed: bool
) -> None:
    assert checks.asking.UnderLoad(right=right, total=total).guesses(alone) is guessed


def test_near_ties_are_forgiven_and_missing_scores_are_not(checks: Any) -> None:
    logits = np.array([0.05, -0.05, 0.3, -0.3, 0.05, -3.0])
    scores = np.array([0.48, 0.52, 0.45, 0.2, np.nan, np.nan])
    assert checks.asking.agrees(scores, logits).tolist() == [True, True, False, True, False, False]


def test_the_area_under_the_curve(checks: Any) -> None:
    auc, fraud = checks.fidelity.auc, np.array([True, True, False, False])
    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), fraud) == 1.0
    assert auc(np.array([0.9, 0.3, 0.4, 0.1]), fraud) == 0.75
    assert auc(np.full(4, 0.5), fraud) == 0.5


# -- checks against a service in memory


@pytest.mark.parametrize(
    ("flaw", "cross_talk", "decisions"),
    [
        ("", "passed", "passed"),
        ("swapped", "failed", "passed"),
        ("shifted", "failed", "passed"),
        ("killed", "failed", "passed"),
        ("busy", "failed", "passed"),
        ("mixed", "failed", "passed"),
        ("coarse", "passed", "failed"),
    ],
)
async def test_fidelity(checks: Any, flaw: str, cross_talk: str, decisions: str) -> None:
    ctx = context(checks, Service(flaw))
    assert (await measured(run_of(checks.fidelity.CrossTalk), ctx)).outcome.value == cross_talk
    assert (await measured(run_of(checks.fidelity.Decisions), ctx)).outcome.value == decisions


async def test_the_model_is_taken_and_what_is_none_is_refused(checks: Any) -> None:
    good = context(checks, Service(), has_model=False)
    assert (await measured(run_of(checks.install.Installed), good)).outcome is Outcome.PASSED
    assert good.shared["sizes"].grown == 30_000_000
    bad = context(checks, Service("takes anything"), has_model=False)
    found = await measured(run_of(checks.install.Installed), bad)
    assert found.outcome is Outcome.FAILED
    assert "no ONNX file" in found.message
    forgetful = context(checks, Service("forgets"), has_model=False)
    assert (
        "the model before it is lost"
        in (await measured(run_of(checks.install.Installed), forgetful)).message
    )
    loyal = context(checks, Service("first"), has_model=False)
    assert (
        "that the new model scores near 0"
        in (await measured(run_of(checks.install.Installed), loyal)).message
    )
    eager = context(checks, Service())
    del eager.shared["installed"]
    for check in (
        checks.install.Installed,
        checks.install.Memory,
        checks.fidelity.Decisions,
        checks.speed.Single,
    ):
        assert "expected 503" in (await measured(run_of(check), eager)).message


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (100, 133, Outcome.PASSED),
        (100, 180, Outcome.FAILED),
        (140, 173, Outcome.PASSED),
        (250, 250, Outcome.FAILED),
    ],
)
async def test_memory_is_a_share_of_the_file_and_ballast_counts(
    checks: Any, before: int, after: int, outcome: Outcome
) -> None:
    ctx = context(checks, Service())
    ctx.shared["sizes"] = checks.install.Sizes(before * 1_000_000, 100_000_000, after * 1_000_000)
    ctx.shared["world"] = types.SimpleNamespace(size=100_000_000)
    found = await measured(run_of(checks.install.Memory), ctx)
    assert found.outcome is outcome
    assert bool(found.advice) is (outcome is Outcome.FAILED)


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ([0.1, 0.2, 0.1], Outcome.PASSED),
        ([0.9, 0.8, 1.1], Outcome.FAILED),
        ([0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1], Outcome.INCONCLUSIVE),
    ],
)
def test_bursts_are_judged_by_their_rounds(
    checks: Any, ratios: list[float], outcome: Outcome
) -> None:
    rule = checks.tail.Rule(op="at_most", threshold=0.5, unit="ratio", text="at most 0.5")
    assert run_of(checks.tail.Tail)._say(ratios, ([0.1], [0.2]), rule).outcome is outcome


def test_bad_rows_of_the_contract_include_an_unknown_id(checks: Any) -> None:
    cases = checks.cases.contract(types.SimpleNamespace(rng=random.Random))
    refused = [
        case["json"] for case in cases if case["status"] == "4xx" and case["path"] == "/score"
    ]
    lists = [
        body["ids"]
        for body in refused
        if isinstance(body, dict) and isinstance(body.get("ids"), list)
    ]
    assert any(WIDTH in ids for ids in lists)
    assert len(refused) > 6


@pytest.mark.parametrize(
    ("flaw", "seconds", "outcome", "said"),
    [
        ("", 0.0003, "passed", "took"),
        ("", 0.001, "failed", "took"),
        ("mixed", 0.0003, "failed", "is needed"),
        ("long", 0.0003, "failed", "has the length 5"),
        ("cuts", 0.0003, "failed", "a text of 200 words"),
    ],
)
async def test_embedding_is_judged_by_time_and_by_the_vectors(
    checks: Any, flaw: str, seconds: float, outcome: str, said: str
) -> None:
    app = Service(flaw)
    app.embed_s = seconds
    found = await measured(run_of(checks.embedding.Embed), context(checks, app))
    assert found.outcome.value == outcome
    assert said in found.message
