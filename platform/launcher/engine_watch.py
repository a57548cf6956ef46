"""Prepares the engine behind the running site, then watches it; the site reads the state from
``engine.json``.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from grader.engines.docker.sandbox import DockerSandbox
from grader.errors import EngineUnavailable
from grader.images import ensure
from launcher.engine_setup import Engine, unanswered
from launcher.problem import LaunchError, say

State = Literal["preparing", "ready", "unavailable"]
LOOK_EVERY_S = 15.0
WAIT = (
    "Pages work meanwhile, and submissions are queued. The terminal of ./seatrial up shows the "
    "progress."
)


def write_state(home: Path, state: State, message: str = "", advice: str = "") -> None:
    """Replace ``<home>/engine.json`` in one step: state, ready, message, advice, checked_at (ISO
    8601, UTC).
    """
    content = {
        "state": state,
        "ready": state == "ready",
        "message": message,
        "advice": advice,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    draft = home / f".engine-{os.getpid()}-{threading.get_ident()}.json"
    draft.write_text(json.dumps(content), encoding="utf-8")
    os.replace(draft, home / "engine.json")


class EngineWatch(threading.Thread):
    """``ready`` is set once the engine and the images are there.

    Ends soon after ``stop`` is set.
    """

    def __init__(self, home: Path, stop: threading.Event) -> None:
        super().__init__(name="engine-watch", daemon=True)
        self._home = home
        self._stop_asked = stop
        self._engine = Engine(home / "log" / "dockerd.log")
        self._told = ""
        self.ready = threading.Event()
        self.sandbox: DockerSandbox | None = None

    def run(self) -> None:
        while not self._stop_asked.is_set() and not self._prepare():
            self._stop_asked.wait(LOOK_EVERY_S)
        while not self._stop_asked.wait(LOOK_EVERY_S):
            self._look()

    def stop_engine(self) -> None:
        """Stop a dockerd that was started here. Call when everything that uses it has ended."""
        self._engine.stop()

    def _prepare(self) -> bool:
        try:
            sandbox = self._engine.ensure(self._progress)
            ensure(sandbox.client, self._progress)
        except (LaunchError, EngineUnavailable) as error:
            self._unavailable(error.message, error.advice)
            return False
        except Exception as error:
            # Whatever the engine's client throws, the site stays up and says that grading is
            # paused.
            self._unavailable(
                f"Preparing the engine failed: {error}", "Look at the terminal of ./seatrial up."
            )
            return False
        self.sandbox = sandbox
        write_state(self._home, "ready")
        self.ready.set()
        return True

    def _look(self) -> None:
        problem = unanswered(self.sandbox) if self.sandbox else "it is not there"
        if problem:
            self._unavailable(
                f"The container engine stopped answering: {problem}", "Start it again."
            )
        elif self._told:
            self._told = ""
            say("the container engine answers again")
            write_state(self._home, "ready")

    def _progress(self, text: str) -> None:
        say(text)
        write_state(
            self._home, "preparing", f"The sandbox is being prepared: {text.strip()}.", WAIT
        )

    def _unavailable(self, message: str, advice: str) -> None:
        write_state(self._home, "unavailable", message, advice)
        if message != self._told:
            self._told = message
            say(f"grading is paused. {message}\n{advice}")
