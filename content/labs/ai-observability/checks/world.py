"""The traffic of this lab and what the probe itself saw of it: the truth beside the learner's
telemetry.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.lab_api import (
    Answer,
    Context,
    Request,
    Samples,
    Schedule,
    attack,
    events_of,
    json_request,
    percentile,
)

PATH = "/v1/answer"
MODELS, WATCH, SINK = "models", "watch", "sink"
INCIDENTS = ("errors", "latency", "quality", "cost")
OUTCOMES = ("answered", "abstained", "error")
SLO_TTFT_S = 0.3
_VERBS = ("change", "cancel", "find", "explain", "check", "pay", "move", "stop", "pause", "correct")
_THINGS = (
    "invoice",
    "refund",
    "parcel",
    "contract",
    "statement",
    "transfer",
    "meter",
    "password",
    "card",
    "access",
)


@dataclass(slots=True)
class Turn:
    """One request: what was asked under which trace, and how it ended ("" while nothing whole came
    back).
    """

    trace: str
    parent: str
    user: str
    question: str
    outcome: str = ""


class Traffic:
    """Makes requests and keeps what came of them.

    ``users``: how many different ones ask, in turn.
    """

    def __init__(self, rng: random.Random, users: int) -> None:
        self._rng = rng
        self._users = [f"user-{rng.getrandbits(40):010x}" for _ in range(users)]
        self.turns: list[Turn] = []

    def turn(self) -> Turn:
        rng = self._rng
        question = (
            f"How do I {rng.choice(_VERBS)} the {rng.choice(_THINGS)} of my {rng.choice(_THINGS)} "
            f"that {rng.choice(_THINGS)} {rng.randrange(10_000)} is about?"
        )
        user = self._users[len(self.turns) % len(self._users)]
        made = Turn(
            f"{rng.getrandbits(127) + 1:032x}", f"{rng.getrandbits(63) + 1:016x}", user, question
        )
        self.turns.append(made)
        return made

    def request(self, _index: int) -> Request:
        """The next request, for the load generator."""
        turn = self.turn()

        def validate(answer: Answer) -> str:
            turn.outcome, wrong = outcome_of(answer.status, answer.body)
            return wrong

        return json_request(
            "POST", PATH, body_of(turn), headers=headers_of(turn), validate=validate
        )

    def counts(self) -> Counter[str]:
        """Outcome -> requests."""
        return Counter(turn.outcome for turn in self.turns if turn.outcome)


def body_of(turn: Turn) -> dict[str, str]:
    return {"user": turn.user, "question": turn.question}


def headers_of(turn: Turn) -> dict[str, str]:
    return {"traceparent": f"00-{turn.trace}-{turn.parent}-01"}


def is_token(data: bytes) -> bool:
    """Whether an event carries a token of the answer."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "token" in value


def outcome_of(status: int, body: bytes) -> tuple[str, str]:
    """(answered, abstained, error or malformed; what is wrong, "" for a whole answer)."""
    if status in (500, 502, 503, 504):
        return "error", f"status {status}"
    if status != 200:
        return "malformed", f"status {status}"
    try:
        values = [
            json.loads(event.data) for event in events_of(body) if event.data.strip() != b"[DONE]"
        ]
    except (ValueError, RecursionError):
        return "malformed", "an event is not JSON"
    last = values[-1] if values and isinstance(values[-1], dict) else {}
    if "error" in last:
        return "error", "the stream ended with an error"
    if last.get("done") is not True:
        return "malformed", "the stream has no last event with done"
    return ("abstained" if last.get("abstained") else "answered"), ""


def usage_of(body: bytes) -> dict[str, Any]:
    """The usage of the last event, empty when there is none."""
    for event in reversed(events_of(body)):
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError):
            return {}
        usage = value.get("usage") if isinstance(value, dict) else None
        return usage if isinstance(usage, dict) else {}
    return {}


class Model:
    """The model gateway, over its control channel."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def begin(self, rules: Sequence[dict[str, Any]] = ()) -> None:
        """Empty the ledger, and start a schedule of faults whose windows count from now."""
        await self._command(command="reset")
        if rules:
            await self._command(command="faults", rules=list(rules))

    async def rows(self) -> list[dict[str, Any]]:
        """The calls since ``begin``, in order."""
        found: list[dict[str, Any]] = []
        since, more = 0, True
        while more:
            page = await self._command(command="ledger", since=since)
            found += page["rows"]
            since, more = page["next"], page["more"]
        return found

    async def _command(self, **payload: Any) -> dict[str, Any]:
        return await self._ctx.control("command", MODELS, payload=payload)


@dataclass(slots=True)
class Phase:
    """A stretch of traffic with its truth.

    Times are Unix seconds; ``calls`` are the model's ledger rows.
    """

    traffic: Traffic
    samples: Samples
    began: float
    ended: float
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ttft_s(self) -> list[float]:
        """Time to the first token of every request that got one, from when it was due."""
        turns = self.traffic.turns
        whole = ("answered", "abstained")
        return [
            t
            for i, t in zip(self.samples.index, self.samples.ttft_s, strict=True)
            if turns[i].outcome in whole
        ]

    def slowest_p95(self, window_s: float = 5.0) -> float:
        """The largest p95 of the time to the first token in any window, as the probe saw it.

        Seconds.
        """
        windows = (
            [t for t in w.ttft_s if t < 60] for w in self.samples.windows(window_s) if len(w) >= 20
        )
        return max((percentile(times, 95) for times in windows if times), default=0.0)


async def drive(
    ctx: Context, traffic: Traffic, schedule: Schedule, faults: Sequence[dict[str, Any]] = ()
) -> Phase:
    """Send a schedule to the service while the model has these faults, and wait for the end of
    everything.
    """
    model = Model(ctx)
    await model.begin(faults)
    began = time.time()
    samples = await attack(
        [ctx.app],
        schedule,
        traffic.request,
        streaming=True,
        timeout_s=15,
        side_of=lambda _: 0,
        is_token=is_token,
    )
    phase = Phase(traffic, samples, began, time.time(), await model.rows())
    await model.begin()
    return phase
