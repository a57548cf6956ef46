"""Waiting for a container to end, and ending it."""

from __future__ import annotations

from docker import APIClient

from grader.engines.docker.errors import already_gone_is_fine, engine_call, timed_out
from grader.errors import SandboxError, SeatrialError

KILL_WAIT_S = 20.0


def wait_gone(api: APIClient, container: str, timeout_s: float) -> bool:
    """True as soon as it does not run any more; False when it still does after ``timeout_s``."""
    try:
        with engine_call("wait for a container"), already_gone_is_fine():
            # Seconds, and fractions of one do work.
            api.wait(container, timeout=max(timeout_s, 0.001), condition="not-running")  # type: ignore[arg-type]
    except SeatrialError as error:
        if timed_out(error.__cause__):
            return False
        raise
    return True


def kill(api: APIClient, container: str) -> None:
    """SIGKILL, and wait for the end.

    A container that is gone or stopped is fine. Raises SandboxError.
    """
    with engine_call("stop a container"), already_gone_is_fine():
        api.kill(container, "SIGKILL")
    if not wait_gone(api, container, KILL_WAIT_S):
        raise SandboxError(f"a container did not stop within {KILL_WAIT_S:g} s of SIGKILL")
