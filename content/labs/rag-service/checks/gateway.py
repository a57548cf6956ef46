"""The model gateway as the grader sees it: its ledger and its fault schedule, over the control
channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.lab_api import Context

NAME = "models"
MAX_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What the ledger metered: chat calls by outcome, and prompt tokens (WordPiece) of those that
    were answered.
    """

    calls: int
    answered: int
    refused: int
    prompt_tokens: int


async def usage(ctx: Context) -> Usage:
    """The chat calls in the ledger since the last reset.

    The ledger keeps the newest rows only; if it dropped some, its totals speak, which count
    embeddings too.
    """
    rows: list[dict[str, Any]] = []
    since = 0
    while True:
        reply = await ctx.control("command", NAME, payload={"command": "ledger", "since": since})
        rows += reply["rows"]
        if not reply.get("more") or len(rows) > MAX_ROWS:
            break
        since = reply["next"]
    chat = [row for row in rows if row["kind"] == "chat"]
    answered = [row for row in chat if row["status"] == 200]
    tokens = sum(int(row["prompt_tokens"]) for row in chat)
    totals = reply.get("totals", {})
    if totals.get("requests", 0) > len(rows):
        tokens = max(tokens, int(totals["prompt_tokens"]))
    return Usage(len(chat), len(answered), len(chat) - len(answered), tokens)


async def reset(ctx: Context) -> None:
    """Empty the ledger and end all faults."""
    await ctx.control("command", NAME, payload={"command": "reset"})


async def set_faults(ctx: Context, share: float, retry_after_s: float) -> None:
    """From now on this share of calls is refused, half with 429 and Retry-After, half with 500."""
    rules = [
        {"kind": "429", "share": share / 2, "retry_after_s": retry_after_s},
        {"kind": "500", "share": share / 2},
    ]
    await ctx.control("command", NAME, payload={"command": "faults", "rules": rules})


def count_tokens(embedder: Any, text: str) -> int:
    """Tokens of a prompt as the ledger counts them."""
    return int(embedder.count(text))
