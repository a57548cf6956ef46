"""``streaming``: tokens arrive as they are made, over server-sent events."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, at_pointer, collect, problem, send
from grader.checks.outcome import failed, passed
from grader.checks.plots import seconds_histogram
from grader.http.response import Response
from grader.result import Measured, Measurement, Rule, Series


class StreamingParams(Params):
    """``text`` and ``tokens`` are JSON pointers into an event: a piece of text, and the tokens of
    the whole answer.
    """

    cases: list[Case] = []
    cases_from: str = ""
    first_share: float = Field(
        0.35, gt=0, le=1, description="the first piece arrives within this share of the time"
    )
    own_share: float = Field(
        0.8, gt=0, le=1, description="share of the tokens that arrive in a piece of their own"
    )
    half_share: float = Field(
        0.7, gt=0, le=1, description="half of the pieces arrive within this share of their time"
    )
    stretch: float = Field(
        2.0, ge=1, description="the whole answer takes at most so many times as long as it has to"
    )
    min_tokens: int = Field(16, ge=4, description="shorter answers are not judged")
    text: str = "/choices/0/delta/content"
    tokens: str = "/usage/completion_tokens"
    end: str = Field("[DONE]", description="data of the last event; empty: none")


@dataclass(frozen=True, slots=True)
class Stream:
    """One streamed answer: arrival times in seconds from the send, the whole text, and what it says
    it used.
    """

    text: str
    arrivals: list[float]
    total_s: float
    tokens: int
    ended: bool

    @property
    def half_share(self) -> float:
        """When half of the pieces were there, as a share of the time from the first to the last
        one.
        """
        first, last = self.arrivals[0], self.arrivals[-1]
        return (
            (self.arrivals[len(self.arrivals) // 2] - first) / (last - first)
            if last > first
            else 1.0
        )

    @property
    def gaps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.arrivals)]


@dataclass(frozen=True, slots=True)
class Judged:
    """A stream with the seconds that its answer has to take by another clock than its own;
    infinity: unknown.
    """

    stream: Stream
    response: Response
    needed_s: float

    @property
    def first_share(self) -> float:
        """Of the shorter of both times: who collects an answer and then takes his time over it
        gains nothing.
        """
        return self.stream.arrivals[0] / min(self.stream.total_s, self.needed_s)

    @property
    def stretch(self) -> float:
        return self.stream.total_s / self.needed_s


def read_stream(response: Response, params: StreamingParams) -> Stream:
    """Events as a stream.

    Pieces that arrive together count as one arrival; other events are passed over.
    """
    text, tokens, last = "", 0, ""
    arrivals: list[float] = []
    for at, data in response.events():
        last = data
        document = _parsed(data)
        piece = at_pointer(document, params.text)
        if isinstance(piece, str) and piece:
            text += piece
            since = at - response.sent_at
            if not arrivals or since > arrivals[-1]:
                arrivals.append(since)
        said = at_pointer(document, params.tokens)
        if isinstance(said, int) and not isinstance(said, bool):
            tokens = said
    return Stream(text, arrivals, response.total_s, tokens, not params.end or last == params.end)


def _parsed(data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


class Streaming(Check):
    """A lab's subclass may know how long an answer has to take (``needed_s``), and whether its text
    is right.
    """

    id = "streaming"
    params_model = StreamingParams
    params: StreamingParams
    needed_by: ClassVar[str] = ""
    """Whose time ``needed_s`` is, for the message: "the baseline"."""

    async def needed_s(self, ctx: Context, case: Case, stream: Stream) -> float | str:  # noqa: ARG002
        """Seconds that somebody else needs for the same answer, infinity when nobody knows, or what
        is wrong.
        """
        return float("inf")

    async def run(self, ctx: Context) -> Measurement:
        streams: list[Judged] = []
        for case in collect(ctx, self.params.cases, self.params.cases_from):
            response = await send(ctx.app, case)
            stream = read_stream(response, self.params)
            wrong = problem(case, response) or self._form(stream)
            needed_s = wrong or await self.needed_s(ctx, case, stream)
            if isinstance(needed_s, str):
                measured = Measured(
                    value=0, n=len(streams), text=f"stopped after {len(streams)} streams"
                )
                return failed(
                    f"{case.name()}: {needed_s}.", measured, self._rule(), FORM_ADVICE, response
                )
            if stream.tokens >= self.params.min_tokens:
                streams.append(Judged(stream, response, needed_s))
        if not streams:
            measured = Measured(value=0, n=0, text="no stream long enough")
            message = (
                f"No answer was {self.params.min_tokens} tokens long, although more were asked for."
            )
            return failed(message, measured, self._rule(), FORM_ADVICE)
        return self._judge(streams)

    def _form(self, stream: Stream) -> str:
        """What is wrong with the form of the stream; empty when nothing is."""
        if not stream.arrivals:
            return f"no event holds text at {self.params.text}"
        if stream.tokens < 1:
            return f"no event holds the number of tokens at {self.params.tokens}"
        return "" if stream.ended else f"the last event is not {self.params.end}"

    def _rule(self) -> Rule:
        p = self.params
        text = (
            f"first at most {p.first_share:.2f} of the time; own pieces at least "
            f"{p.own_share:.0%}, half of them by "
        )
        text += f"{p.half_share:.2f}" + (
            f"; at most {p.stretch:.1f} × {self.needed_by}" if self.needed_by else ""
        )
        return Rule(op="at_most", threshold=p.first_share, unit="share", text=text)

    def _judge(self, streams: list[Judged]) -> Measurement:
        read = [judged.stream for judged in streams]
        share = statistics.median(judged.first_share for judged in streams)
        half = statistics.median(stream.half_share for stream in read)
        stretch = statistics.median(judged.stretch for judged in streams)
        own = sum(min(len(s.arrivals), s.tokens) for s in read) / sum(s.tokens for s in read)
        text = (
            f"first at {share:.2f} of the time, {own:.0%} in own pieces, half by {half:.2f}, n = "
            f"{len(read)}"
        )
        measured = Measured(value=share, unit="share", n=len(read), text=text)
        message = (
            f"The first piece of text came after {share:.0%} of an answer's time, half of the "
            f"pieces after {half:.0%} "
            f"of theirs; {own:.0%} of the tokens arrived in a piece of their own."
        )
        if self.needed_by:
            message += (
                f" The whole answer took {stretch:.1f} times as long as {self.needed_by} needed."
            )
        series = _plots(read, message)
        rule, p = self._rule(), self.params
        within = (
            share <= p.first_share
            and half <= p.half_share
            and own >= p.own_share
            and stretch <= p.stretch
        )
        if within:
            return passed(message, measured, rule, series=series)
        worst = max(streams, key=lambda judged: judged.first_share)
        return failed(message, measured, rule, ADVICE, worst.response, series=series)


def _plots(streams: list[Stream], summary: str) -> list[Series]:
    gaps = [gap for stream in streams for gap in stream.gaps]
    between = f"Half of the tokens follow within {statistics.median(gaps or [0.0]) * 1000:.1f} ms."
    return [
        seconds_histogram("Time to first token", [s.arrivals[0] for s in streams], summary=summary),
        seconds_histogram("Time between tokens", gaps, summary=between),
    ]


FORM_ADVICE = (
    "Send text/event-stream: a 'data: {...}' event for each piece of text, one with the usage, the "
    "end mark."
)
ADVICE = (
    "Send every token when the model has made it. Look for a place that collects the answer first: "
    "a join over the "
    "generator, a synchronous call in the event loop, or a buffer on the way out. Pauses between "
    "the pieces of "
    "an answer that is there already don't make it a stream."
)
