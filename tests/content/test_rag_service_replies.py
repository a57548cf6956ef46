"""Answers of POST /ask are read with suspicion, and compared as runs of whole words."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from labkit import lab_checks

from grader.http.response import Response


@pytest.fixture(scope="module", autouse=True)
def checks() -> Iterator[None]:
    """The lab's checks, importable as in the probe."""
    with lab_checks("rag-service"):
        yield


def reply(method: str, path: str, status: int, body: Any) -> Response:
    now = time.perf_counter()
    made = Response(method, path, {}, b"", "app", now, now, status=status, done_at=now)
    made.chunks.append((now, json.dumps(body).encode()))
    return made


def _read(body: Any, status: int = 200) -> Any:
    asking = importlib.import_module("lab_checks.asking")
    question = importlib.import_module("lab_checks.corpus").Question("q?", "18 months", "KX-1000")
    return asking.read_reply(question, reply("POST", "/ask", status, body))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {"answer": "x"},
        {"answer": 3, "citations": [], "abstained": False},
        {"answer": "x", "citations": "KX-1", "abstained": False},
        {"answer": "x", "citations": [1], "abstained": False},
        {"answer": "x", "citations": ["a"] * 51, "abstained": False},
        {"answer": None, "citations": [], "abstained": False},
        {"answer": "x", "citations": [], "abstained": "no"},
    ],
)
def test_malformed_answers_are_problems_not_answers(body: Any) -> None:
    read = _read(body)
    assert read.problem
    assert not read.answered
    assert not read.right


@pytest.mark.parametrize(
    ("answer", "right"),
    [("18 months", True), ("18 Months.", True), ("18", False), ("118 months", False)],
)
def test_an_answer_counts_when_it_equals_the_span(answer: str, right: bool) -> None:
    assert _read({"answer": answer, "citations": [], "abstained": False}).right is right


def test_a_span_must_stand_as_whole_words() -> None:
    holds: Callable[[str, str], bool] = importlib.import_module("lab_checks.asking").holds
    assert holds("It lasts 18 months.", "18 months")
    assert not holds("It lasts 118 months.", "18 months")
    assert not holds("It lasts 18 months.", "")
