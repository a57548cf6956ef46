"""``streaming``: tokens arrive as they are made, over server-sent events."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, at_pointer, collect, problem, send
from grader.checks.outcome import failed, passed
from grader.checks.plots import seconds_histogram
from grader.probe.response import Response
from grader.result import Measured, Measurement, Rule


class StreamingParams(Params):
    """``text`` and ``tokens`` are JSON pointers into an event: a piece of text, and the tokens of the whole answer."""

    cases: list[Case] = []
    cases_from: str = ""
    first_share: float = Field(0.35, gt=0, le=1, description="the first piece arrives within this share of the time")
    own_share: float = Field(0.8, gt=0, le=1, description="share of the tokens that arrive in a piece of their own")
    min_tokens: int = Field(16, ge=4, description="shorter answers are not judged")
    text: str = "/choices/0/delta/content"
    tokens: str = "/usage/completion_tokens"
    end: str = Field("[DONE]", description="data of the last event; empty: none")


@dataclass(frozen=True, slots=True)
class Stream:
    """One streamed answer: arrival times in seconds from the send, the whole text, and what it says it used."""

    text: str
    arrivals: list[float]
    total_s: float
    tokens: int
    ended: bool

    @property
    def first_share(self) -> float:
        return self.arrivals[0] / self.total_s if self.arrivals else 1.0

    @property
    def gaps(self) -> list[float]:
        return [b - a for a, b in zip(self.arrivals, self.arrivals[1:], strict=False)]


def read_stream(response: Response, params: StreamingParams) -> Stream:
    """Events as a stream. Pieces that arrive together count as one arrival; other events are passed over."""
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
    id = "streaming"
    params_model = StreamingParams
    params: StreamingParams

    async def run(self, ctx: Context) -> Measurement:
        streams: list[tuple[Stream, Response]] = []
        for case in collect(ctx, self.params.cases, self.params.cases_from):
            response = await send(ctx.app, case)
            stream = read_stream(response, self.params)
            if wrong := problem(case, response) or self._form(stream):
                measured = Measured(value=0, n=len(streams), text=f"stopped after {len(streams)} streams")
                return failed(f"{case.name()}: {wrong}.", measured, self._rule(), FORM_ADVICE, response)
            if stream.tokens >= self.params.min_tokens:
                streams.append((stream, response))
        if not streams:
            measured = Measured(value=0, n=0, text="no stream long enough")
            message = f"No answer was {self.params.min_tokens} tokens long, although more were asked for."
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
        text = f"first at most {self.params.first_share:.2f} of total; own pieces at least {self.params.own_share:.0%}"
        return Rule(op="at_most", threshold=self.params.first_share, unit="share", text=text)

    def _judge(self, streams: list[tuple[Stream, Response]]) -> Measurement:
        share = statistics.median(s.first_share for s, _ in streams)
        own = sum(min(len(s.arrivals), s.tokens) for s, _ in streams) / sum(s.tokens for s, _ in streams)
        text = f"first at {share:.2f} of total, {own:.0%} in own pieces, n = {len(streams)}"
        measured = Measured(value=share, unit="share", n=len(streams), text=text)
        firsts = [s.arrivals[0] for s, _ in streams]
        gaps = [gap for s, _ in streams for gap in s.gaps]
        message = (
            f"The first piece of text came after {share:.0%} of an answer's time; {own:.0%} of the tokens arrived "
            "in a piece of their own."
        )
        series = [
            seconds_histogram("Time to first token", firsts, summary=message),
            seconds_histogram(
                "Time between tokens",
                gaps,
                summary=f"Half of the tokens follow within {statistics.median(gaps or [0.0]) * 1000:.1f} ms.",
            ),
        ]
        if share <= self.params.first_share and own >= self.params.own_share:
            return passed(message, measured, self._rule(), series=series)
        worst = max(streams, key=lambda pair: pair[0].first_share)[1]
        return failed(message, measured, self._rule(), ADVICE, worst, series=series)


FORM_ADVICE = "Send text/event-stream: a 'data: {...}' event for each piece of text, one with the usage, the end mark."
ADVICE = (
    "Send every token when the model has made it. Look for a place that collects the answer first: a join over the "
    "generator, a synchronous call in the event loop, or a buffer on the way out."
)
