"""The criterion about what telemetry costs: its requests, and whether users still read along."""

from __future__ import annotations

import re
from typing import Any

from lab_checks.world import PATH, Model, Traffic, body_of, headers_of

from grader.lab_api import Case, Context, Measurement, Stream, Streaming

NUMBER = re.compile(r"\d+(?=:)")


class StillStreams(Streaming):
    """Tokens reach users as the model makes them, and they are the model's, which numbers its
    words.

    A middleware that looks at whole answers keeps their latency and takes the first token from
    everybody.
    """

    id = "still-streams"
    needed_by = "the model"

    async def run(self, ctx: Context) -> Measurement:
        await Model(ctx).begin()
        return await super().run(ctx)

    async def needed_s(self, ctx: Context, case: Case, stream: Stream) -> float | str:  # noqa: ARG002
        numbers = [int(n) for n in NUMBER.findall(stream.text)]
        if numbers != list(range(stream.tokens)):
            return (
                f"the text {stream.text[:60]!r} is not the one of {stream.tokens} tokens that the "
                "model gave"
            )
        model = Model(ctx)
        took_s = [row["end"] - row["start"] for row in await model.rows() if row["end"] is not None]
        await model.begin()
        return max(took_s, default=float("inf"))


def streams(ctx: Context) -> list[dict[str, Any]]:
    """A dozen questions, one after the other."""
    return questions(ctx)[:12]


def questions(ctx: Context) -> list[dict[str, Any]]:
    """Forty questions with their traces."""
    traffic = Traffic(ctx.rng("speed"), 8)
    turns = [traffic.turn() for _ in range(40)]
    return [
        {"path": PATH, "json": body_of(turn), "headers": headers_of(turn), "timeout_s": 15}
        for turn in turns
    ]
