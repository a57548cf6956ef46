"""The check of what providers get: messages and fields as the client sent them."""

from __future__ import annotations

from typing import Any

from lab_checks.world import Providers, conversations, headers_of, open_key

from grader.lab_api import (
    Check,
    Context,
    Measurement,
    Params,
    Response,
    Tally,
    asked,
)

UNIT = "requests that reached a provider as they came"
ADVICE = (
    "Send the provider the body that you got. What a model of yours reads and writes again loses "
    "what it does not "
    "know: names, tools, parts of a content, temperature."
)


class AsCame(Check):
    """Requests with names, parts, tools and sampling, as JSON and as streams, against what the
    ledgers say came.
    """

    id = "as-came"
    params_model = Params

    async def run(self, ctx: Context) -> Measurement:
        key, tally, providers = await open_key(ctx, "as-came"), Tally(UNIT), Providers(ctx)
        await providers.reset()
        for body in rich_bodies(ctx):
            tally.add(*await self._one(ctx, providers, key, body))
        return tally.verdict("Providers got what the clients sent.", ADVICE)

    async def _one(
        self, ctx: Context, providers: Providers, key: str, body: dict[str, Any]
    ) -> tuple[str, Response]:
        """What is wrong with what the providers got, empty when nothing is."""
        known = {(row.provider, row.start) for row in await providers.settled()}
        answer = await ctx.app.request(
            "POST", "/v1/chat/completions", json=body, headers=headers_of(key), timeout_s=12
        )
        if not answer.ok:
            return (
                (
                    f"A request with {', '.join(sorted(body))} was answered with "
                    f"{answer.status or answer.error}."
                ),
                answer,
            )
        rows = [row for row in await providers.settled() if (row.provider, row.start) not in known]
        messages, fields = asked(body)
        if not rows:
            return "No provider was asked for this answer.", answer
        if any(row.asked != messages for row in rows):
            return (
                f"The messages reached {rows[0].provider} otherwise than the client sent them.",
                answer,
            )
        if any(row.fields != fields for row in rows):
            return (
                (
                    "Fields beside the messages were changed or lost on the way to "
                    f"{rows[0].provider}."
                ),
                answer,
            )
        return "", answer


def rich_bodies(ctx: Context) -> list[dict[str, Any]]:
    """Four bodies, each twice: what OpenAI's clients send beside plain texts."""
    rng = ctx.rng("rich bodies")
    tool = {
        "type": "function",
        "function": {"name": f"find_{rng.randrange(1000)}", "parameters": {"type": "object"}},
    }
    call: dict[str, object] = {"id": f"call_{rng.randrange(10**6)}", "type": "function"}
    named, parted, tooled, sampled = conversations(ctx, "rich", 4, tokens=3)
    named["messages"][-1]["name"] = f"desk_{rng.randrange(100)}"
    said = parted["messages"][-1]["content"]
    half = len(said) // 2
    parted["messages"][-1]["content"] = [
        {"type": "text", "text": said[:half]},
        {"type": "text", "text": said[half:]},
    ]
    call["function"] = {"name": tool["function"]["name"], "arguments": '{"id": 7}'}  # type: ignore[index]
    tooled["messages"] += [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": f"found {rng.randrange(100)}"},
        {"role": "user", "content": "  And now?\n"},
    ]
    tooled |= {"tools": [tool], "tool_choice": "auto"}
    sampled |= {
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": rng.randrange(1000),
        "stop": ["\n\n"],
        "user": "é ☂",
    }
    plain = [named, parted, tooled, sampled]
    return [*plain, *({**body, "stream": True} for body in plain)]
