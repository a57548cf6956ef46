"""Logs: one JSON object a line, with the trace.

No word of what users wrote there, in spans, or in metrics.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterable
from typing import Any

from lab_checks.departed import SLOW, leave
from lab_checks.traces import traces_of
from lab_checks.world import PATH, SINK, Model, Traffic, Turn, body_of, headers_of

from grader.lab_api import Check, Context, Measurement, Params, counted, every, failed, passed

UNIT = "requests with a clean line"
MAX_BYTES = 65536
WITHIN_S, SPANS_WITHIN_S = 3.0, 8.0


class LogsParams(Params):
    requests: int = 12
    failing: int = 3
    abstained: int = 2
    broken: int = 2
    leaving: int = 2
    malformed: int = 2


class Logs(Check):
    """Requests with words that exist nowhere else: some fail, find no answer, are slow, break or
    are left alone.
    """

    id = "logs"
    params_model = LogsParams
    params: LogsParams

    async def run(self, ctx: Context) -> Measurement:
        began = time.time()
        await ctx.control("command", SINK, payload={"command": "listen"})
        wanted, secrets = await self._ask(ctx)
        problem, good = await self._log(ctx, wanted, secrets, began)
        measured = counted(good, len(wanted), UNIT)
        if problem:
            return failed(problem, measured, every(UNIT), ADVICE)
        if where := await elsewhere(ctx, wanted, secrets):
            return failed(f"{where} hold what a user asked.", measured, every(UNIT), ADVICE)
        return passed(
            "Every request left a JSON line with its trace, and no question.", measured, every(UNIT)
        )

    async def _ask(self, ctx: Context) -> tuple[list[Turn], list[str]]:
        """(the requests that have to leave a line, the words of all)."""
        p, rng = self.params, ctx.rng("logs")
        traffic, secrets = Traffic(rng, 3), list[str]()

        def asked() -> Turn:
            turn, (first, middle, last) = traffic.turn(), (secret(rng) for _ in range(3))
            secrets.extend((first, middle, last))
            half = len(turn.question) // 2
            turn.question = (
                f"{first} {turn.question[:half]} {middle} {turn.question[half:]} My word is {last}."
            )
            return turn

        await Model(ctx).begin(endings(p))
        for _ in range(p.requests):
            turn = asked()
            await ctx.app.request(
                "POST", PATH, json=body_of(turn), headers=headers_of(turn), timeout_s=15
            )
        await Model(ctx).begin([SLOW])
        await asyncio.gather(*(leave(ctx, asked()) for _ in range(p.leaving)))
        wanted = list(traffic.turns)
        for _ in range(p.malformed):
            turn = asked()
            body = {"user": {"name": turn.user}, "question": turn.question}
            await ctx.app.request("POST", PATH, json=body, headers=headers_of(turn), timeout_s=15)
        await Model(ctx).begin()
        return wanted, secrets

    @staticmethod
    async def _log(
        ctx: Context, wanted: list[Turn], secrets: list[str], began: float
    ) -> tuple[str, int]:
        deadline = time.time() + WITHIN_S
        while True:
            reply = await ctx.control("logs", ctx.replicas[0], since_s=began, max_bytes=MAX_BYTES)
            problem, good = judge(str(reply["text"]), wanted, secrets)
            if not problem or time.time() > deadline:
                return problem, good
            await asyncio.sleep(0.3)


async def elsewhere(ctx: Context, wanted: list[Turn], secrets: list[str]) -> str:
    """Where else than in the log a word stands:

    "The metrics", "The spans" or "". Waits for the spans of all.
    """
    deadline = time.time() + SPANS_WITHIN_S
    while time.time() < deadline and not all(
        (await traces_of(ctx, [turn.trace for turn in wanted])).values()
    ):
        await asyncio.sleep(0.5)
    response = await ctx.app.request("GET", "/metrics", timeout_s=5)
    if telling(response.body.decode("utf-8", "replace"), secrets):
        return "The metrics"
    told = list(forms(secrets))
    for first in range(0, len(told), WORDS_AT_ONCE):
        payload = {"command": "holds", "words": told[first : first + WORDS_AT_ONCE]}
        if (await ctx.control("command", SINK, payload=payload))["words"]:
            return "The spans"
    return ""


def endings(p: LogsParams) -> list[dict[str, Any]]:
    """Faults that end the first requests in every way there is: whoever logs words may do so only
    for one of them.
    """
    found = p.failing + p.abstained
    broken = found + p.broken
    return [
        {"kind": "500", "to_index": p.failing},
        {"kind": "abstain", "from_index": p.failing, "to_index": found},
        {"kind": "reset", "from_index": found, "to_index": broken},
        {"kind": "slow", "from_index": broken, "to_index": broken + 1, "factor": 8},
        {"kind": "thinking", "from_index": broken + 1, "to_index": broken + 2, "factor": 20},
    ]


def forms(words: Iterable[str]) -> Iterable[str]:
    """Each word as it stands, backwards, in hex, and what base64 makes of it wherever in a text it
    begins.
    """
    for word in words:
        raw = word.encode()
        yield from (word, word[::-1], raw.hex())
        for before in range(3):
            inner = base64.b64encode(b"?" * before + raw)[4 if before else 0 : -4].decode()
            if len(inner) >= CLEAR_CHARS:
                yield inner


def telling(text: str, secrets: Iterable[str]) -> str:
    """The first line in which a word stands in any form, or ""."""
    told = [form.lower() for form in forms(secrets)]
    lines = (line for line in text.splitlines() if any(form in line.lower() for form in told))
    return next(lines, "")


def secret(rng: random.Random) -> str:
    """A word that can stand in a log only if the question stands there."""
    return "".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(12))


def judge(text: str, wanted: list[Turn], secrets: list[str]) -> tuple[str, int]:
    """(what is wrong first, "" for nothing; how many requests left a line with their trace)."""
    lines = [line for line in text.splitlines() if line.strip()]
    traced: set[str] = set()
    plain = ""
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            plain = plain or line
        elif isinstance(value.get("trace_id"), str):
            traced.add(value["trace_id"])
    good = sum(turn.trace in traced for turn in wanted)
    if shown := telling(text, secrets):
        return f"The log holds what a user asked, as in {shown[:160]!r}.", max(0, good - 1)
    if plain:
        return f"A line of the log is not a JSON object: {plain[:120]!r}.", good
    if good < len(wanted):
        return (
            f"{len(wanted) - good} of {len(wanted)} requests left no line with their trace_id.",
            good,
        )
    return "", good


WORDS_AT_ONCE, CLEAR_CHARS = 400, 8
ADVICE = (
    "Log one JSON object a line, with trace_id, for every request, also those that fail, break or "
    "lose their user. "
    "Never log what users write, whole, in part or encoded: not on success, not in an exception, "
    "not when validation "
    "refuses it. Nor does it belong into attributes of spans or labels of metrics."
)
