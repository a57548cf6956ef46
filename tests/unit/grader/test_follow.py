"""A blocking call as a generator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

import pytest

from grader.runs.follow import follow

T = TypeVar("T")
R = TypeVar("R")


def drain(lines: Generator[T, None, R]) -> tuple[list[T], R]:
    seen: list[T] = []
    while True:
        try:
            seen.append(next(lines))
        except StopIteration as end:
            return seen, end.value


def test_lines_in_order_and_the_return_value() -> None:
    def work(emit: Callable[[str], None]) -> int:
        emit("a")
        emit("b")
        return 7

    assert drain(follow(work, threading.Event())) == (["a", "b"], 7)


def test_an_error_comes_after_the_lines() -> None:
    def work(emit: Callable[[str], None]) -> None:
        emit("a")
        raise ValueError("no")

    lines = follow(work, threading.Event())
    assert next(lines) == "a"
    with pytest.raises(ValueError, match="no"):
        next(lines)


def test_closing_early_stops_the_work() -> None:
    stop, ended = threading.Event(), threading.Event()

    def work(emit: Callable[[str], None]) -> None:
        emit("a")
        assert stop.wait(5)
        ended.set()

    lines = follow(work, stop)
    next(lines)
    lines.close()
    assert ended.is_set()
