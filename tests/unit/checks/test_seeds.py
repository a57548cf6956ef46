"""Cases in lab.yaml may hold seeded values: a simple lab needs no Python."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from grader.checks.cases import Case, collect
from grader.checks.seeds import seeded


def of_seed(seed: str) -> Any:
    return SimpleNamespace(rng=lambda label: random.Random(f"{seed} {label}"))


CASES = [
    Case.model_validate(
        {
            "method": "PUT",
            "path": "/items/<<id>>",
            "json": {"text": "<<word>> and <<id>>", "n": "<<int n>>", "<<word>>": [1, None, True]},
            "expect": {"/text": "<<word>>", "/n": "<<int n>>"},
            "headers": {"X-Key": "<<word>>"},
        }
    )
]


def test_a_name_is_one_value_in_a_run_and_another_in_the_next() -> None:
    one, again, other = (collect(of_seed(seed), CASES, "")[0] for seed in ("7", "7", "8"))
    assert one == again != other
    word, name = one.expect["/text"], one.path.removeprefix("/items/")
    assert len(word) == len(name) == 12
    assert word != name
    assert one.json_body == {
        "text": f"{word} and {name}",
        "n": one.expect["/n"],
        word: [1, None, True],
    }
    assert one.headers == {"X-Key": word}
    assert 1 <= one.expect["/n"] <= 10**6


def test_other_texts_stay() -> None:
    for text in ("<<Name>>", "<< id >>", "<<id", "1 << 3", "x <<int n>> y", ""):
        assert seeded(text, of_seed("7").rng) == text
    assert Case(path="/a") == collect(of_seed("7"), [Case(path="/a")], "")[0]
