"""What all checks of this lab share: the providers and their ledgers, keys, requests, and the texts
that are right.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from grader.lab_api import (
    Answer,
    ChatRequest,
    Context,
    FaultRule,
    Measured,
    Request,
    Response,
    Unmeasurable,
    digest_of,
    events_of,
    every,
    failed,
    json_request,
    media_type,
    stream,
)

PROVIDERS = ("north", "south", "west")
MODEL = "chat"
ATTEMPTS = 8
UNBOUNDED = 1_000_000
_SUBJECTS = (
    "invoice",
    "parcel",
    "policy",
    "claim",
    "refund",
    "contract",
    "meter",
    "order",
    "ticket",
    "account",
)


@dataclass(frozen=True)
class Row:
    """One call as a provider's ledger has it. Times are Unix seconds of this machine."""

    provider: str
    start: float
    end: float
    status: int
    fault: str
    prompt_tokens: int
    completion_tokens: int
    asked: str = ""
    fields: str = ""
    """Names for the messages and for the other fields as the provider got them."""


class Providers:
    """The three model gateways, over their control channels."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    async def reset(self) -> None:
        """Empty ledgers, no faults."""
        for name in PROVIDERS:
            await self._command(name, command="reset")

    async def faults(self, rules: dict[str, Sequence[FaultRule]]) -> None:
        """Set the schedule of each provider; those that are not named have none."""
        for name in PROVIDERS:
            listed = [rule.model_dump() for rule in rules.get(name, ())]
            await self._command(
                name, command="faults", rules=listed, salt=f"/{name}"
            )  # each fails by itself

    async def rows(self) -> list[Row]:
        """All calls since the reset, in order of time.

        A call that is still open ends at infinity.
        """
        found: list[Row] = []
        for name in PROVIDERS:
            since, more = 0, True
            while more:
                page = await self._command(name, command="ledger", since=since)
                since, more = page["next"], page["more"]
                found += [row_of(name, raw) for raw in page["rows"]]
        return sorted(found, key=lambda row: row.start)

    async def settled(self, quiet_s: float = 0.3, tries: int = 10) -> list[Row]:
        """The rows once no call is open any more, except those that hang."""
        rows = await self.rows()
        for _ in range(tries):
            if all(row.end < float("inf") or row.fault == "hang" for row in rows):
                break
            await asyncio.sleep(quiet_s)
            rows = await self.rows()
        return rows

    async def _command(self, name: str, **payload: Any) -> dict[str, Any]:
        return await self.ctx.control("command", name, payload=payload)


def row_of(provider: str, raw: dict[str, Any]) -> Row:
    end = raw["end"] if raw["end"] is not None else float("inf")
    counts = (raw["prompt_tokens"], raw["completion_tokens"])
    return Row(
        provider,
        raw["start"],
        end,
        raw["status"],
        raw["fault"],
        *counts,
        raw["asked"],
        raw["fields"],
    )


def new_key(ctx: Context, label: str) -> str:
    """A key nobody has seen before."""
    return f"sk-{ctx.rng('key ' + label).getrandbits(96):024x}"


async def install(ctx: Context, *keys: dict[str, Any]) -> Response:
    """PUT the keys, as an operator would."""
    headers = {"Authorization": f"Bearer {ctx.spec.service.env['ADMIN_TOKEN']}"}
    return await ctx.app.request(
        "PUT", "/admin/policy", json={"keys": list(keys)}, headers=headers, timeout_s=10
    )


def key_of(
    key: str, *, rate: float = UNBOUNDED, burst: int = UNBOUNDED, quota: int | None = None
) -> dict[str, Any]:
    return {"key": key, "rate": rate, "burst": burst, "quota": quota}


async def open_key(ctx: Context, label: str, **limits: Any) -> str:
    """A new key in force. A check that is repeated gets another one."""
    number = ctx.shared["keys"] = ctx.shared.get("keys", 0) + 1
    key = new_key(ctx, f"{label} {number}")
    await put_in_force(ctx, key_of(key, **limits))
    return key


async def put_in_force(ctx: Context, key: dict[str, Any]) -> None:
    """Without a key there is nothing to measure."""
    answer = await install(ctx, key)
    if not answer.ok:
        said = answer.status or answer.error
        raise Unmeasurable(
            failed(
                f"PUT /admin/policy answered {said}, so there was no key to measure with.",
                Measured(text="no key"),
                every("keys in force"),
                "Make the policy route work first: the bearer token is $ADMIN_TOKEN.",
                answer,
            )
        )


def conversations(ctx: Context, label: str, count: int, tokens: int = 12) -> list[dict[str, Any]]:
    """Bodies of chat requests, each with messages of its own."""
    rng = ctx.rng(label)
    bodies = []
    for _ in range(count):
        subject, number = rng.choice(_SUBJECTS), rng.randrange(10**9)
        text = (
            f"Summarise {subject} {number} for {rng.choice(_SUBJECTS)} desk {rng.randrange(1000)}."
        )
        system = {"role": "system", "content": f"Answer for desk {rng.randrange(1000)}."}
        messages = (
            [system, {"role": "user", "content": text}]
            if rng.random() < 0.5
            else [system_free(text)]
        )
        bodies.append({"model": MODEL, "messages": messages, "max_tokens": tokens})
    return bodies


def system_free(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def right_texts(seed: str, body: dict[str, Any]) -> set[str]:
    """What a provider may answer to this body: one text per attempt, known from the seed."""
    request = ChatRequest.model_validate(body)
    digest = digest_of(request.model, [m.model_dump() for m in request.messages])
    tools: Any = SimpleNamespace(seed=seed)
    return {stream(tools, request, digest, attempt).text for attempt in range(ATTEMPTS)}


def headers_of(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def chat_request(ctx: Context, key: str, body: dict[str, Any], *, sse: bool = False) -> Request:
    """The request with the validation of its answer: status 200 and a text that a provider really
    gave.
    """
    right = right_texts(ctx.seed, body)

    def validate(answer: Answer) -> str:
        if answer.status != 200:
            return f"status {answer.status}"
        text = streamed_text(answer.body) if sse else whole_text(answer.json())
        if text is None:
            return "the stream broke off" if sse else "not a completion"
        return "" if text in right else "a text that no provider gave"

    sent = {**body, "stream": True} if sse else body
    return json_request(
        "POST", "/v1/chat/completions", sent, headers=headers_of(key), validate=validate
    )


def whole_text(value: Any) -> str | None:
    """The text of a JSON answer."""
    try:
        text = value["choices"][0]["message"]["content"]
    except (TypeError, KeyError, IndexError):
        return None
    return text if isinstance(text, str) else None


def sse_data(body: bytes) -> list[str]:
    """The data of all complete events."""
    return [event.text.strip() for event in events_of(body)]


def pieces(data: Sequence[str]) -> list[str]:
    """The text pieces of the events, in order; whatever is no chunk is left out."""
    found = []
    for text in data:
        try:
            choices = json.loads(text).get("choices") or [{}]
            piece = choices[0].get("delta", {}).get("content")
        except (ValueError, AttributeError, TypeError, KeyError, IndexError, RecursionError):
            continue
        if isinstance(piece, str) and piece:
            found.append(piece)
    return found


def streamed_text(body: bytes) -> str | None:
    """The text of a finished stream; None without [DONE]."""
    data = sse_data(body)
    return "".join(pieces(data)) if data and data[-1] == "[DONE]" else None


def usage_in(answer: Response) -> dict[str, int] | None:
    """The usage that an answer carries, of JSON or of the last event that has one."""
    values: list[Any] = [answer.json()]
    if media_type(answer.headers.get("content-type", "")) == "text/event-stream":
        values = []
        for text in sse_data(answer.body):
            try:
                values.append(json.loads(text))
            except (ValueError, RecursionError):
                continue
    for value in reversed(values):
        usage = value.get("usage") if isinstance(value, dict) else None
        if isinstance(usage, dict):
            numbers = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}
            return {k: v for k, v in numbers.items() if isinstance(v, int)}
    return None
