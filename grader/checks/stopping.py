"""What a clean stop is, for every check that sends SIGTERM.

A service may end by itself with 0, or die of the SIGTERM that it was sent: uvicorn, and many
others, answer what is in flight and then raise the signal again, for which the engine shows 143
(128 + 15). Either is a clean stop *if* everything in flight was answered, which is for the check to
see; any other code is a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLEAN = (0, 143)
KILLED = 137
RULE = "exit code 0 or 143 (SIGTERM)"


@dataclass(frozen=True, slots=True)
class Stop:
    """How one copy ended: its exit code, and the seconds that took."""

    name: str
    exit_code: int | None
    seconds: float
    oom_killed: bool = False

    @classmethod
    def of(cls, name: str, state: dict[str, Any]) -> Stop:
        """From the reply to ``stop``."""
        return cls(name, state["exit_code"], float(state["seconds"]), bool(state["oom_killed"]))

    def too_slow(self, grace_s: float) -> bool:
        """Killed because its grace was over, which a machine without a free processor brings about,
        too.
        """
        return self.exit_code == KILLED and not self.oom_killed and self.seconds >= grace_s

    def wrong(self, grace_s: float) -> str:
        """What was wrong with it, or nothing."""
        if self.exit_code in CLEAN:
            return ""
        if self.oom_killed:
            return f"{self.name} used more memory than its limit and was killed"
        if self.too_slow(grace_s):
            return f"{self.name} did not heed SIGTERM and was killed after {grace_s:g} s"
        return (
            f"after SIGTERM {self.name} exited with code {self.exit_code}, expected "
            f"{' or '.join(map(str, CLEAN))}"
        )
