"""Whether the machine gives this process the processor when it wants it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

BURSTS, BURST_S, REST_S = 9, 0.02, 0.03
"""Short enough that the container's own quota never throttles them."""
CROWDED = 2.0
LEAST_RUN_S = 0.2
"""So much processor time before a share of waiting says anything."""
SCHEDSTAT = Path("/proc/self/schedstat")


def crowding() -> float:
    """Wall time over CPU time of short bursts of work, their median:

    1 on a quiet machine, 2 when half is lost.
    """
    ratios = []
    for _ in range(BURSTS):
        wall, cpu = time.perf_counter(), time.thread_time()
        while time.thread_time() - cpu < BURST_S:
            pass
        ratios.append((time.perf_counter() - wall) / (time.thread_time() - cpu))
        time.sleep(REST_S)
    return statistics.median(ratios)


def is_crowded() -> bool:
    """Too crowded for a time limit to say anything about the service. Takes half a second."""
    return crowding() >= CROWDED


class Waiting:
    """How long this process waited for a processor since it was made, by the kernel's own account.

    It costs nothing, so it says what a machine was like *while* something was measured;
    ``crowding`` says it after. The probe weighs more than others, so what it waits is the least
    that anybody waited.
    """

    def __init__(self) -> None:
        self._began = _schedstat()

    def was_crowded(self) -> bool:
        """At least as much time waited as run. False where the kernel does not tell."""
        now = _schedstat()
        if now is None or self._began is None:
            return False
        ran_s, waited_s = now[0] - self._began[0], now[1] - self._began[1]
        return ran_s >= LEAST_RUN_S and (ran_s + waited_s) / ran_s >= CROWDED


def _schedstat() -> tuple[float, float] | None:
    """(seconds run, seconds runnable but waiting) of this process's main thread."""
    try:
        ran, waited, _ = SCHEDSTAT.read_text().split()
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        return None
