"""The criterion about streams: tokens go on as they come, and what the client has seen is not sent
again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab_checks.world import (
    PROVIDERS,
    Providers,
    conversations,
    headers_of,
    open_key,
    pieces,
    right_texts,
    sse_data,
)

from grader.lab_api import (
    Case,
    Check,
    Context,
    FaultRule,
    Measurement,
    Params,
    Response,
    Stream,
    Streaming,
    Tally,
)

NUMBER = re.compile(r"\s*(\d{1,6}):")
PATH = "/v1/chat/completions"
WHOLE, TOKENS = 5, 60


class PassedOn(Streaming):
    """Whole streams of healthy providers: who collects them first makes users wait for the last
    token.

    The providers' ledgers say how long an answer took there, so that going on slowly with a
    collected one is no stream.
    """

    id = "passed-on"
    needed_by = "the provider"

    async def run(self, ctx: Context) -> Measurement:
        key = await open_key(ctx, "passed-on")
        await Providers(ctx).reset()
        bodies = conversations(ctx, "passed-on", WHOLE, TOKENS)
        cases = [
            Case(path=PATH, json={**body, "stream": True}, headers=headers_of(key))
            for body in bodies
        ]
        self.params = self.params.model_copy(update={"cases": cases})
        return await super().run(ctx)

    async def needed_s(self, ctx: Context, case: Case, stream: Stream) -> float | str:
        if stream.text not in right_texts(
            ctx.seed, {k: v for k, v in case.json_body.items() if k != "stream"}
        ):
            return f"the text {stream.text[:60]!r} is none that a provider gave"
        providers = Providers(ctx)
        took_s = [row.end - row.start for row in await providers.settled() if row.status == 200]
        await providers.reset()
        return max(took_s, default=float("inf"))


class ReplayParams(Params):
    streams: int = 5
    tokens: int = 16


class NothingReplayed(Check):
    """Every provider breaks off in the middle: the stream ends with an error, and nobody is asked
    again.
    """

    id = "replay"
    params_model = ReplayParams
    params: ReplayParams

    async def run(self, ctx: Context) -> Measurement:
        tally, providers = Tally("broken streams that end as such"), Providers(ctx)
        key = await open_key(ctx, "replay")
        await providers.reset()
        try:
            for body in conversations(ctx, "replay", self.params.streams, self.params.tokens):
                tally.add(*await self._one(ctx, providers, key, body))
        finally:
            await providers.reset()
        return tally.verdict(
            "A stream that broke off was ended, not begun again.",
            "Once a token has reached the client, ask nobody again: end the stream with an event "
            '{"error": {...}} and without [DONE]. Until then another provider may be asked.',
        )

    async def _one(
        self, ctx: Context, providers: Providers, key: str, body: dict[str, object]
    ) -> tuple[str, Response]:
        """What is wrong with one stream, empty when nothing is.

        Other requests between keep breakers closed.
        """
        headers = headers_of(key)
        await providers.faults({})
        for plain in conversations(ctx, f"between {body['messages']}", 2, tokens=1):
            await ctx.app.request("POST", PATH, json=plain, headers=headers, timeout_s=12)
        await providers.faults({name: [FaultRule(kind="reset")] for name in PROVIDERS})
        before = len(await providers.settled())
        answer = await ctx.app.request(
            "POST", PATH, json={**body, "stream": True}, headers=headers, timeout_s=15
        )
        calls = len(await providers.settled()) - before
        return fault_of(answer, calls), answer


def fault_of(answer: Response, calls: int) -> str:
    """What is wrong with an answer whose provider broke off in the middle;

    ``calls``: how often one was asked.
    """
    data = sse_data(answer.body)
    seen = [int(match[1]) for piece in pieces(data) if (match := NUMBER.match(piece))]
    if answer.status != 200 or not seen:
        return f"No token of the stream arrived: {answer.status or answer.error}."
    if seen != list(range(len(seen))):
        return f"Tokens came again after the provider broke off: {shown(seen)}."
    if calls > 1:
        return (
            f"After the first token reached the client, providers were asked {calls - 1} times "
            "more."
        )
    if "[DONE]" in data:
        return "The provider broke off, but the stream ended with [DONE] as if it were complete."
    if not answer.error and not any('"error"' in text for text in data):
        return "The provider broke off, and nothing in the stream says so."
    return ""


def shown(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers[:40]))
