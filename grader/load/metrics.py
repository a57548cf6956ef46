"""What an attack measured: raw samples in parallel arrays, and what is read off them."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.stats.histogram import Histogram

LATE_S = 0.005
"""A measurement is void when the client's own scheduling error is larger than this at p99
(docs/grading.md, 'Load').
"""
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Points (seconds from the start, value) per bin of due time; ready for
    ``Series(kind="timeline")``.
    """

    rate: Points
    """Requests due per second."""
    errors: Points
    """Failed requests per second."""
    p50_ms: Points
    """Median latency of the bin; a bin in which half or more failed has no point."""
    p95_ms: Points


@dataclass(slots=True)
class Samples:
    """One entry per request, in the order in which they were due. Seconds throughout.

    All arrays are as long as the number of requests, except ``gap_s``: there the gaps between the
    tokens of request
    ``i`` are ``gap_s[gap_from[i] : gap_from[i] + max(0, tokens[i] - 1)]``. The last three are empty
    without streaming.
    """

    side: array[int] = field(default_factory=lambda: array("B"))
    index: array[int] = field(default_factory=lambda: array("L"))
    """The number that ``requests`` was called with."""
    due: array[float] = field(default_factory=lambda: array("d"))
    """Scheduled send, from the start of the attack."""
    lag_s: array[float] = field(default_factory=lambda: array("d"))
    """How late the client was: from due to the send, or to the queue when no connection was
    free.
    """
    latency_s: array[float] = field(default_factory=lambda: array("d"))
    """From due to the end of the answer; infinite when the request failed."""
    service_s: array[float] = field(default_factory=lambda: array("d"))
    """From the real send to the end, queueing left out; infinite when the request failed."""
    ttft_s: array[float] = field(default_factory=lambda: array("d"))
    """From due to the first token (streaming) or to the first byte; infinite when the request
    failed.
    """
    status: array[int] = field(default_factory=lambda: array("H"))
    """0 when no answer came."""
    error: list[str] = field(default_factory=list)
    """What was wrong, "" for a right answer."""
    tokens: array[int] = field(default_factory=lambda: array("L"))
    gap_from: array[int] = field(default_factory=lambda: array("L"))
    gap_s: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.due)

    def of(self, side: int) -> Samples:
        """The samples of one side."""
        return self.pick(i for i, each in enumerate(self.side) if each == side)

    def pick(self, which: Iterable[int]) -> Samples:
        """A copy with these entries only."""
        chosen = list(which)
        out = Samples(
            side=array("B", (self.side[i] for i in chosen)),
            index=array("L", (self.index[i] for i in chosen)),
            due=array("d", (self.due[i] for i in chosen)),
            lag_s=array("d", (self.lag_s[i] for i in chosen)),
            latency_s=array("d", (self.latency_s[i] for i in chosen)),
            service_s=array("d", (self.service_s[i] for i in chosen)),
            ttft_s=array("d", (self.ttft_s[i] for i in chosen)),
            status=array("H", (self.status[i] for i in chosen)),
            error=[self.error[i] for i in chosen],
        )
        if self.tokens:
            for i in chosen:
                out.tokens.append(self.tokens[i])
                out.gap_from.append(len(out.gap_s))
                out.gap_s.extend(self.gaps(i))
        return out

    def gaps(self, i: int) -> array[float]:
        """The inter-token latencies of one stream."""
        began = self.gap_from[i]
        return self.gap_s[began : began + max(0, self.tokens[i] - 1)]

    def percentile(self, q: float, side: int | None = None) -> float:
        """Latency at ``q`` percent (50, 95, 99.9), nearest rank; failed requests count as infinite.

        Seconds.
        """
        values = (
            self.latency_s
            if side is None
            else [t for t, s in zip(self.latency_s, self.side, strict=True) if s == side]
        )
        return percentile(values, q)

    def histogram(self, side: int | None = None) -> Histogram:
        """The latencies in the form in which they are exported as evidence and merged."""
        return Histogram(
            t for t, of in zip(self.latency_s, self.side, strict=True) if side in (None, of)
        )

    def errors(self, side: int | None = None) -> dict[str, int]:
        """How often each error happened, the most frequent first."""
        count: dict[str, int] = defaultdict(int)
        for text, of in zip(self.error, self.side, strict=True):
            if text and side in (None, of):
                count[text] += 1
        return dict(sorted(count.items(), key=lambda pair: -pair[1]))

    def windows(self, seconds: float) -> list[Samples]:
        """The samples in consecutive windows of due time. Windows without a sample are left out."""
        return [self.pick(which) for _, which in sorted(self._bins(seconds).items())]

    def timeline(self, bin_s: float = 0.5) -> Timeline:
        """Rate, errors and latency over time. Bins in which nothing was due have rate 0."""
        bins, out = self._bins(bin_s), Timeline([], [], [], [])
        for number in range(max(bins, default=-1) + 1):
            which, at = bins.get(number, []), round(number * bin_s, 6)
            out.rate.append((at, round(len(which) / bin_s, 3)))
            out.errors.append((at, round(sum(1 for i in which if self.error[i]) / bin_s, 3)))
            values = [self.latency_s[i] for i in which]
            for q, points in ((50, out.p50_ms), (95, out.p95_ms)):
                value = percentile(values, q)
                if math.isfinite(value):
                    points.append((at, round(value * 1000, 3)))
        return out

    def client_was_late(self, bound_s: float = LATE_S) -> bool:
        """True when the client itself was too slow (p99 of the scheduling error).

        The measurement is then void.
        """
        return bool(self.lag_s) and percentile(self.lag_s, 99) > bound_s

    def token_gaps(self, side: int | None = None) -> array[float]:
        """All inter-token latencies of the streams that were right."""
        out = array("d")
        for i in range(len(self.tokens)):
            if not self.error[i] and side in (None, self.side[i]):
                out.extend(self.gaps(i))
        return out

    def tokens_per_s(self, side: int | None = None) -> float:
        """Tokens of right streams per second, from the first due time to the last arrival.

        0 without any.
        """
        right = [
            i for i in range(len(self.tokens)) if not self.error[i] and side in (None, self.side[i])
        ]
        if not right:
            return 0.0
        span = max(self.due[i] + self.latency_s[i] for i in right) - min(self.due[i] for i in right)
        return sum(self.tokens[i] for i in right) / span if span > 0 else 0.0

    def goodput(
        self, *, ttft_s: float, gap_s: float = math.inf, q: float = 95, side: int | None = None
    ) -> float:
        """Share of streams (0 to 1) that meet the SLO; nan when none was sent.

        Met: the stream is right, its first token comes within ``ttft_s``, and ``q`` percent of its
        gaps keep to
        ``gap_s``.
        """
        asked = [i for i in range(len(self)) if side in (None, self.side[i])]
        met = [
            i
            for i in asked
            if not self.error[i] and self.ttft_s[i] <= ttft_s and self._smooth(i, gap_s, q)
        ]
        return len(met) / len(asked) if asked else math.nan

    def _smooth(self, i: int, gap_s: float, q: float) -> bool:
        return not self.tokens or self.tokens[i] < 2 or percentile(self.gaps(i), q) <= gap_s

    def _bins(self, seconds: float) -> dict[int, list[int]]:
        out: dict[int, list[int]] = defaultdict(list)
        for i, due in enumerate(self.due):
            out[int(due / seconds + 1e-9)].append(i)
        return out


def percentile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least ``q`` percent do not exceed (nearest rank); nan for no
    values.

    Raises ValueError for a ``q`` that looks like a fraction: 50 is the median, 0.5 is a mistake.
    """
    if not (q == 0 or 1 <= q <= 100):
        raise ValueError(f"q is in percent, from 1 to 100, or 0 for the smallest; got {q:g}")
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q / 100 * len(ordered) - 1e-9) - 1)]
