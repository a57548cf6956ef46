"""The corpus of the rag lab: determined by the seed, different for every seed, and consistent with
its questions.
"""

from __future__ import annotations

import importlib
import random
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from labkit import lab_checks


@pytest.fixture(scope="module")
def corpus_module() -> Iterator[ModuleType]:
    """The lab's generator, imported as the probe imports it."""
    with lab_checks("rag-service"):
        yield importlib.import_module("lab_checks.corpus")


@pytest.fixture(params=["one", "two", "three"])
def corpus(request: pytest.FixtureRequest, corpus_module: ModuleType) -> Any:
    return corpus_module.generate(random.Random(request.param))


def test_the_seed_decides_everything(corpus_module: ModuleType) -> None:
    def docs(seed: str) -> list[dict[str, str]]:
        return [c.doc() for c in corpus_module.generate(random.Random(seed)).clauses.values()]

    assert docs("a") == docs("a")
    first, second = docs("a"), docs("b")
    assert len({d["text"] for d in first} & {d["text"] for d in second}) < len(first) / 20
    assert {d["id"] for d in first} != {d["id"] for d in second}


def test_size_and_share_of_repealed_clauses(corpus: Any) -> None:
    assert 340 <= len(corpus.clauses) <= 460
    assert 0.08 <= len(corpus.repealed) / len(corpus.clauses) <= 0.28
    assert len(corpus.plans) == 18


def test_no_template_is_left_unfilled(corpus: Any) -> None:
    for clause in corpus.clauses.values():
        assert "{" not in clause.text + clause.title
        assert clause.value in clause.text
        assert clause.plan in clause.text


def test_a_value_stands_once_so_that_a_rewrite_is_unambiguous(corpus: Any) -> None:
    for clause in corpus.clauses.values():
        assert clause.text.count(clause.value) == 1, clause


def test_repeals_name_the_repealed_clause_and_change_the_value(corpus: Any) -> None:
    for old, new in corpus.repealed.items():
        assert old in corpus.clauses[new].text
        assert corpus.clauses[new].replaces == old
        assert corpus.clauses[new].value != corpus.clauses[old].value
        assert (corpus.clauses[new].plan, corpus.clauses[new].matter) == (
            corpus.clauses[old].plan,
            corpus.clauses[old].matter,
        )


def test_one_clause_in_force_for_each_regulated_matter(corpus: Any) -> None:
    live = corpus.in_force()
    assert len({(c.plan, c.matter.topic) for c in live}) == len(live)


def test_questions_point_at_clauses_in_force(corpus: Any) -> None:
    asked = corpus.questions(50, paraphrased=True, replaced_share=0.25)
    live = {c.id: c for c in corpus.in_force()}
    assert len(asked) == 50
    assert len({q.text for q in asked}) == 50
    assert sum(bool(live[q.gold].replaces) for q in asked) >= 10
    for question in asked:
        assert live[question.gold].value == question.answer
        assert question.plan in question.text
        assert question.answer.split()[0] not in re.findall(r"\d+", question.text)


def test_paraphrases_share_few_words_with_their_clause(corpus: Any) -> None:
    common = {
        "the",
        "a",
        "of",
        "for",
        "in",
        "how",
        "many",
        "is",
        "what",
        "to",
        "by",
        "on",
        "from",
        "it",
    }

    def overlap(paraphrased: bool) -> float:
        shares = []
        for q in corpus.questions(50, paraphrased=paraphrased):
            names = set(q.plan.lower().split()) | {q.answer.split()[1]}
            words = set(re.findall(r"[a-z]+", q.text.lower())) - common - names
            held = set(re.findall(r"[a-z]+", corpus.clauses[q.gold].text.lower()))
            shares.append(len(words & held) / max(1, len(words)))
        return sum(shares) / len(shares)

    assert overlap(True) < 0.2
    assert overlap(False) > 0.5


def test_nothing_answers_the_unanswerable(corpus: Any) -> None:
    regulated = {(c.plan, c.matter.topic) for c in corpus.clauses.values()}
    asked = corpus.unanswerable(18)
    assert len({q.text for q in asked}) == 18
    assert not any(q.gold or q.answer for q in asked)
    assert not [q for q in asked if (q.plan, q.topic) in regulated]
    assert sum(q.plan in corpus.plans for q in asked) == 3
    assert sum(q.topic == "other" for q in asked) >= 5


@pytest.mark.parametrize("repeal", [True, False])
def test_rewriting_changes_only_the_value(corpus: Any, repeal: bool) -> None:
    for clause in [c for c in corpus.in_force() if not c.replaces][:40]:
        new = corpus.rewrite(clause, repeal=repeal)
        assert new.value != clause.value
        assert new.text.startswith(clause.text.replace(clause.value, new.value))
        assert (new.id == clause.id) is not repeal
        assert (clause.id in new.text) is repeal
