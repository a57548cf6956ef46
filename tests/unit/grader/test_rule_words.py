"""A threshold stands once, in lab.yaml: the words of the rule are made from it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from grader.lab import Criterion
from grader.lab.rules import names_in


def criterion(rule: str, *params: dict[str, object]) -> Criterion:
    checks = [{"check": "health", "params": one} for one in params]
    return Criterion.model_validate(
        {"id": "one", "title": "One", "rule": rule, "weight": 10, "checks": checks}
    )


def test_the_rule_is_filled_from_the_parameters_of_its_checks() -> None:
    rule = "at least {bm25:.2f} x BM25 and {share:.0%} of {n}"
    told = criterion(rule, {"bm25": 1.15}, {"share": 0.9, "n": 50}).rule
    assert told == "at least 1.15 x BM25 and 90% of 50"


def test_what_was_filled_is_read_again_as_it_is() -> None:
    once = criterion("at most {x:g} s", {"x": 2.0})
    assert Criterion.model_validate(once.model_dump()) == once


def test_the_first_check_that_has_it_gives_it() -> None:
    assert criterion("{x}", {"x": 1}, {"x": 2}).rule == "1"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("at most {limit}", "names {limit}, which is no parameter of its checks; they have: x"),
        ("at most {x.__class__}", "names {x.__class__}"),
        ("at most {}", "names {}"),
        ("at most {x", "expected '}'"),
        ("a set {{1, 2}}", "no braces but those around names"),
        ("at most {x:q}", "the rule can't be filled"),
    ],
)
def test_a_rule_that_can_not_be_filled_is_an_error(rule: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        criterion(rule, {"x": 1})
    assert said in str(caught.value)


def test_names() -> None:
    assert names_in("{a:g} of {b}") == {"a", "b"}
