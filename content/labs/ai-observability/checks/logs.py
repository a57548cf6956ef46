"""Logs: one JSON object a line, with the trace, without a word of what users wrote."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

from lab_checks.world import PATH, Model, Traffic, Turn, body_of, headers_of

from grader.checks.base import Check, Context, Params
from grader.checks.outcome import counted, every, failed, passed
from grader.result import Measurement

UNIT = "requests with a clean line"
MAX_BYTES = 65536
WITHIN_S = 3.0


class LogsParams(Params):
    requests: int = 12
    failing: int = 3
    abstained: int = 2
    malformed: int = 2


class Logs(Check):
    """Requests with words that exist nowhere else: some fail, some find no answer, some are slow, some are refused."""

    id = "logs"
    params_model = LogsParams
    params: LogsParams

    async def run(self, ctx: Context) -> Measurement:
        p, rng = self.params, ctx.rng("logs")
        began = time.time()
        await Model(ctx).begin(endings(p.failing, p.abstained))
        traffic, secrets = Traffic(rng, 3), []
        for number in range(p.requests + p.malformed):
            turn, word = traffic.turn(), secret(rng)
            secrets.append(word)
            turn.question = f"{turn.question} My word is {word}."
            body = body_of(turn) if number < p.requests else {"user": {"name": turn.user}, "question": turn.question}
            await ctx.app.request("POST", PATH, json=body, headers=headers_of(turn), timeout_s=15)
        await Model(ctx).begin()
        wanted = traffic.turns[: p.requests]
        deadline = time.time() + WITHIN_S
        while True:
            reply = await ctx.control("logs", ctx.replicas[0], since_s=began, max_bytes=MAX_BYTES)
            problem, good = judge(str(reply["text"]), wanted, secrets)
            if not problem or time.time() > deadline:
                break
            await asyncio.sleep(0.3)
        measured = counted(good, len(wanted), UNIT)
        if not problem:
            return passed("Every request left a JSON line with its trace, and no question.", measured, every(UNIT))
        advice = (
            "Log one JSON object a line, with trace_id, for every request, also those that fail. Never log what users "
            "write: not on success, not in an exception, not when validation refuses it."
        )
        return failed(problem, measured, every(UNIT), advice)


def endings(failing: int, abstained: int) -> list[dict[str, Any]]:
    """Faults that end the first requests in every way there is: whoever logs words may do so only for one of them."""
    found = failing + abstained
    return [
        {"kind": "500", "to_index": failing},
        {"kind": "abstain", "from_index": failing, "to_index": found},
        {"kind": "slow", "from_index": found, "to_index": found + 1, "factor": 8},
        {"kind": "thinking", "from_index": found + 1, "to_index": found + 2, "factor": 20},
    ]


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
    low = text.lower()
    telling = [line for line in lines if any(word in line.lower() for word in secrets)]
    if telling or any(word in low for word in secrets):
        shown = f", as in {telling[0][:160]!r}" if telling else ""
        return f"The log holds what a user asked{shown}.", max(0, good - len(telling))
    if plain:
        return f"A line of the log is not a JSON object: {plain[:120]!r}.", good
    if good < len(wanted):
        return f"{len(wanted) - good} of {len(wanted)} requests left no line with their trace_id.", good
    return "", good
