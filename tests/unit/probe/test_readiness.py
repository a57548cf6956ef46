"""How a service is waited for until it is ready."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader.lab import Service
from grader.probe.readiness import LONGEST_S, SHORTEST_S, Readiness, await_app, pause_s
from grader.wire.probe import NotReadyNow


class App:
    """Answers with these statuses, one a look; None: nothing listens."""

    name, port = "app", 8080

    def __init__(self, *statuses: int | None) -> None:
        self._statuses = list(statuses)
        self.looks = 0

    async def request(self, *_: Any, **__: Any) -> Any:
        self.looks += 1
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        error = "" if status else "connect: refused"
        return SimpleNamespace(status=status, error=error, exchange=lambda: None)


async def waited_for(app: App, ready_s: float = 5) -> Readiness | NotReadyNow:
    spec: Any = SimpleNamespace(service=Service(), limits=SimpleNamespace(ready_s=ready_s))
    wire: Any = None
    target: Any = app
    return await await_app(spec, target, wire, set())


async def test_every_status_on_the_way_is_kept() -> None:
    app = App(None, None, 503, 503, 200)
    ready = await waited_for(app)
    assert isinstance(ready, Readiness)
    assert (ready.statuses, app.looks) == ([503, 200], 5)


async def test_who_never_answers_200_is_told_what_came_last() -> None:
    said = await waited_for(App(None, 503), ready_s=0.3)
    assert isinstance(said, NotReadyNow)
    assert "its last status was 503" in said.reason


@pytest.mark.parametrize(
    ("waited_s", "pause"), [(0.0, SHORTEST_S), (0.3, 0.03), (1.0, LONGEST_S), (60.0, LONGEST_S)]
)
def test_looks_grow_rarer_the_longer_it_takes(waited_s: float, pause: float) -> None:
    assert pause_s(waited_s) == pytest.approx(pause)
