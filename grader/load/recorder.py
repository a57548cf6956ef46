"""Keeps what an attack measures while it runs: appends when a request is due, fills in when it
ends.
"""

from __future__ import annotations

import itertools
import math

from grader.load.connection import Flight
from grader.load.metrics import Samples
from grader.load.streams import IsToken, events
from grader.load.targeter import Answer, succeeded

MAX_ERROR = 200


class Recorder:
    """The results of one attack. ``start``: the perf_counter time that all offsets count from."""

    def __init__(self, *, streaming: bool, is_token: IsToken) -> None:
        self.start = 0.0
        self.under_way = 0
        self.problem: Exception | None = None
        """What a validation raised: a fault of ours that ends the attack."""
        self._streaming, self._is_token = streaming, is_token
        self._samples = Samples()
        self._over = bytearray()

    def due(self, flight: Flight, lag_s: float) -> None:
        """A request was handed to its pool."""
        samples = self._samples
        samples.side.append(flight.side)
        samples.index.append(flight.index)
        samples.due.append(flight.due - self.start)
        samples.lag_s.append(lag_s)
        for column in (samples.latency_s, samples.service_s, samples.ttft_s):
            column.append(math.inf)
        samples.status.append(0)
        samples.error.append("")
        if self._streaming:
            samples.tokens.append(0)
            samples.gap_from.append(0)
        self._over.append(0)
        self.under_way += 1

    def right_or_wrong(self, flight: Flight, answer: Answer, first_at: float, at: float) -> None:
        """A complete answer came."""
        if flight.over:
            return
        try:
            wrong = (flight.request.validate or succeeded)(answer)
        except Exception as problem:
            self.problem = self.problem or problem
            wrong = "the validation failed"
        i, samples = flight.index, self._samples
        samples.status[i] = answer.status
        if wrong:
            self.failed(flight, wrong)
            return
        self._end(flight)
        samples.latency_s[i] = at - flight.due
        samples.service_s[i] = at - flight.sent
        if self._streaming:
            first_at = self._stream(i, answer) or first_at
        samples.ttft_s[i] = first_at - flight.due

    def failed(self, flight: Flight, error: str) -> None:
        """There was no answer, or a wrong one. The times stay infinite."""
        if not flight.over:
            self._end(flight)
            self._samples.error[flight.index] = error[:MAX_ERROR]

    def samples(self) -> Samples:
        """What is known now: all requests that are over, in the order in which they were due."""
        if self.under_way:
            return self._samples.pick(i for i, over in enumerate(self._over) if over)
        return self._samples

    def _end(self, flight: Flight) -> None:
        flight.over = True
        flight.connection = None
        self._over[flight.index] = 1
        self.under_way -= 1

    def _stream(self, i: int, answer: Answer) -> float:
        """Note the gaps between tokens; returns when the first token was complete, 0 without
        any.
        """
        times = [at for at, data in events(answer.chunks) if self._is_token(data)]
        samples = self._samples
        samples.tokens[i], samples.gap_from[i] = len(times), len(samples.gap_s)
        samples.gap_s.extend(b - a for a, b in itertools.pairwise(times))
        return times[0] if times else 0.0
