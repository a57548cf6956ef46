"""Whether the machine gives this process the processor when it wants it."""

from __future__ import annotations

import statistics
import time

BURSTS, BURST_S, REST_S = 9, 0.02, 0.03
"""Short enough that the container's own quota never throttles them."""
CROWDED = 2.0


def crowding() -> float:
    """Wall time over CPU time of short bursts of work, their median: 1 on a quiet machine, 2 when half is lost."""
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
