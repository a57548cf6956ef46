"""Turns a blocking call that reports through a callback into a generator of what it reported."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def follow(
    work: Callable[[Callable[[T], None]], R], stop: threading.Event
) -> Generator[T, None, R]:
    """Run ``work(emit)`` in a thread, yield what it emits as it comes, and return (or raise) what
    it returns.

    When the generator is closed early, ``stop`` is set and the thread is waited for: ``work`` must
    look at it.
    """
    lines: queue.SimpleQueue[tuple[bool, T | None]] = queue.SimpleQueue()
    outcome: list[R] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(work(lambda item: lines.put((True, item))))
        except BaseException as error:  # handed to the caller below
            failure.append(error)
        finally:
            lines.put((False, None))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    try:
        while (entry := lines.get())[0]:
            yield entry[1]  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
