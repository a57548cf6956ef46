"""A latency histogram that can be exported, read back and merged: buckets that grow by one percent.

Raw samples are kept while measuring; this is the form in which they leave the probe. Read back, any
percentile is within half a percent of the true one, and the histograms of several attacks add up.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

SMALLEST_S = 1e-6
LARGEST_S = 3600.0
GROWTH = 1.01
_LOG = math.log(GROWTH)
_BUCKETS = math.ceil(math.log(LARGEST_S / SMALLEST_S) / _LOG) + 1


class Histogram:
    """Counts per bucket: bucket ``i`` holds SMALLEST_S x GROWTH^(i-1) up to SMALLEST_S x GROWTH^i
    seconds.
    """

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self.counts = array("Q", bytes(8 * _BUCKETS))
        self.failed = 0
        """Requests without a right answer; they count as infinitely slow."""
        for value in seconds:
            self.record(value)

    def record(self, seconds: float) -> None:
        """Add one latency.

        Infinite means failed; what lies beyond either end counts in the last bucket there.
        """
        if not math.isfinite(seconds):
            self.failed += 1
            return
        bucket = math.ceil(math.log(max(seconds, SMALLEST_S) / SMALLEST_S) / _LOG)
        self.counts[min(bucket, _BUCKETS - 1)] += 1

    def __len__(self) -> int:
        return sum(self.counts) + self.failed

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        self.failed += other.failed
        for i, count in enumerate(other.counts):
            self.counts[i] += count

    def percentile(self, q: float) -> float:
        """Seconds at ``q`` percent, nearest rank, within 0.5 %; infinite beyond the right answers,
        nan when empty.
        """
        total = len(self)
        if not total:
            return math.nan
        rank, seen = max(1, math.ceil(q / 100 * total - 1e-9)), 0
        for i, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return SMALLEST_S * math.pow(GROWTH, i - 0.5)
        return math.inf

    def export(self) -> dict[str, Any]:
        """Plain data, only the buckets that hold something."""
        counts = {str(i): count for i, count in enumerate(self.counts) if count}
        return {"smallest_s": SMALLEST_S, "growth": GROWTH, "failed": self.failed, "counts": counts}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Histogram:
        """The histogram from its exported form. Raises ValueError when that is of another shape."""
        if (data.get("smallest_s"), data.get("growth")) != (SMALLEST_S, GROWTH):
            raise ValueError("the histogram has other buckets than this version's")
        out = cls()
        out.failed = int(data["failed"])
        for bucket, count in data["counts"].items():
            if not 0 <= int(bucket) < _BUCKETS or int(count) < 0:
                raise ValueError(f"there is no bucket {bucket} with {count} entries")
            out.counts[int(bucket)] = int(count)
        return out
