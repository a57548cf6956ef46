"""Child processes in process groups of their own: started again when they die, and stopped for
certain.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from launcher.problem import say

BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)
STEADY_S = 60.0
"""A child that ran this long and dies is started again at once."""
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent(number: int) -> None:
    """Runs in the child before exec: should the launcher be killed with -9, its children get a
    signal (on Linux).
    """
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, number)


@dataclass
class Child:
    """A program that should keep running. ``grace_s``: seconds from SIGTERM to SIGKILL.

    ``orphaned``: the signal that it gets when the launcher was killed and nobody is left to count
    the grace.
    """

    name: str
    command: list[str]
    grace_s: float
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    due: float = field(default=0.0)
    orphaned: signal.Signals = signal.SIGTERM

    def start(self, env: Mapping[str, str]) -> None:
        """Start in a new session, so that Ctrl-C in the terminal reaches only the launcher.

        Call from the main thread alone: the kernel ties the child to the thread that made it.
        """
        self.process = subprocess.Popen(
            self.command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _die_with_parent(self.orphaned),  # noqa: PLW1509  only a system call happens before exec
        )
        self.started_at = time.monotonic()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def revive(self, env: Mapping[str, str]) -> None:
        """Start again what died, after a pause that grows with each early death."""
        now = time.monotonic()
        if self.process is None or self.running:
            return
        if not self.due:
            self.deaths = 1 if now - self.started_at > STEADY_S else self.deaths + 1
            pause = BACKOFF_S[min(self.deaths, len(BACKOFF_S)) - 1]
            self.due = now + pause
            _signal(self.process.pid, signal.SIGKILL)  # what the dead leader left in its group
            say(
                f"the {self.name} ended with code {self.process.returncode}; starting it again in "
                f"{pause:g} s"
            )
        elif now >= self.due:
            self.due = 0.0
            self.start(env)


def stop_all(children: Iterable[Child], hurry: list[bool]) -> None:
    """Send SIGTERM to all groups, then SIGKILL to each whose grace is over;

    ``hurry[0]`` ends every grace at once.
    """
    alive = [child for child in children if child.process is not None]
    asked = time.monotonic()
    for child in alive:
        if child.running:
            _signal_leader(child, signal.SIGTERM)
    while any(child.running for child in alive):
        waited = time.monotonic() - asked
        for child in alive:
            if child.running and (hurry[0] or waited > child.grace_s):
                say(f"the {child.name} did not stop within {waited:.0f} s; killing it")
                _signal(_pid(child), signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    _process(child).wait(5)
        time.sleep(0.05)
    for child in alive:
        _signal(_pid(child), signal.SIGKILL)  # grandchildren that outlived their leader


def _signal_leader(child: Child, number: int) -> None:
    """The leader alone:

    Celery's master stops its pool itself and would miss children that died under it.
    """
    with suppress(ProcessLookupError):
        os.kill(_pid(child), number)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _process(child: Child) -> subprocess.Popen[bytes]:
    assert child.process is not None
    return child.process


def _pid(child: Child) -> int:
    return _process(child).pid
