"""What the last look at the container engine said.

The launcher and the worker write ``<home>/engine.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class EngineState:
    """``ready`` is False when grading is paused;

    ``message`` says why, ``advice`` what the operator can do.
    """

    ready: bool
    message: str = ""
    advice: str = ""
    checked_at: str = ""

    @property
    def checked(self) -> datetime | None:
        """When somebody looked last; None when that is not known."""
        try:
            return datetime.fromisoformat(self.checked_at)
        except ValueError:
            return None


def read_engine_state(home: Path | None = None) -> EngineState:
    """Return the state in ``<home>/engine.json``. No file means that nothing has complained: ready.

    A file that cannot be read means paused, because then nobody can say that grading works.
    """
    path = (home or Path(settings.SEATRIAL_HOME)) / "engine.json"
    try:
        data = json.loads(path.read_text())
        return EngineState(
            ready=data["ready"] is True,
            message=str(data.get("message", ""))[:500],
            advice=str(data.get("advice", ""))[:1000],
            checked_at=str(data.get("checked_at", ""))[:40],
        )
    except FileNotFoundError:
        return EngineState(ready=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return EngineState(
            ready=False,
            message="The state of the container engine could not be read.",
            advice=f"Start the site again with ./seatrial up, which writes {path.name} anew.",
        )
