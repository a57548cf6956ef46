"""The same text and the same token counts as the baseline, which runs the same weights."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from lab_checks import prompts
from lab_checks.chats import Answer, agrees, ask, ask_all, trusted

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    PartyFailed,
    Rule,
    at_pointer,
    counted,
    every,
    failed,
    passed,
)

PROMPTS, TOKENS, SHARE = 24, 24, 0.9
USAGES = 16
TWIN_SENTENCES, TWIN_TOKENS, TWIN_TRIES = (6, 12, 21), 10, 12
KEYS = ("prompt_tokens", "completion_tokens", "total_tokens")


class Greedy(Check):
    """The first tokens of seeded prompts, six at a time, half of them streamed."""

    id = "greedy"

    async def run(self, ctx: Context) -> Measurement:
        talks = prompts.conversations(ctx.rng("greedy"), PROMPTS)
        bodies = [prompts.chat(talk, TOKENS, number % 8 < 4) for number, talk in enumerate(talks)]
        mine, theirs = await asyncio.gather(
            ask_all(ctx.app, bodies, at_once=6), trusted(ctx, bodies)
        )
        rule = Rule(
            op="at_least", threshold=SHARE, unit="share", text=f"at least {SHARE:.0%} of prompts"
        )
        for number, answer in enumerate(mine):
            if answer.wrong:
                message = f"With six users at once, a chat {answer.wrong}."
                return failed(
                    message, counted(number, PROMPTS, "prompts"), rule, BUSY_ADVICE, answer.response
                )
        same = [agrees(a, b) for a, b in zip(mine, theirs, strict=True)]
        share = sum(same) / PROMPTS
        measured = Measured(
            value=share,
            unit="share",
            n=PROMPTS,
            text=f"{sum(same)} of {PROMPTS} prompts, {share:.0%}",
        )
        if share >= SHARE:
            return passed("The text is the baseline's.", measured, rule)
        odd = same.index(False)
        message = (
            f"{PROMPTS - sum(same)} texts differ from the baseline's. One begins "
            f"{mine[odd].text[:60]!r}, the "
            f"baseline's {theirs[odd].text[:60]!r}."
        )
        return failed(message, measured, rule, GREEDY_ADVICE, mine[odd].response)


class Twins(Check):
    """Conversations that differ in one word, behind their first tokens: each gets its own answer.

    The baseline says which pairs are answered differently. Only an answer that is the other one's
    counts as a mistake.
    """

    id = "twins"

    async def run(self, ctx: Context) -> Measurement:
        rng, rule, asked = ctx.rng("twins"), every("conversations"), 0
        for sentences in TWIN_SENTENCES:
            bodies, right = await _unlike(ctx, rng, sentences)
            for body, own, other in zip(bodies, right, reversed(right), strict=True):
                mine = await ask(ctx.app, body)
                measured = counted(asked, 2 * len(TWIN_SENTENCES), "conversations")
                if wrong := mine.wrong or ("" if mine.text else "sent no text"):
                    return failed(
                        f"A single chat {wrong}.", measured, rule, TWIN_ADVICE, mine.response
                    )
                if agrees(mine, other) and not agrees(mine, own):
                    message = (
                        "Two system prompts that differ in one word got one answer: "
                        f"{mine.text[:60]!r}."
                    )
                    return failed(message, measured, rule, TWIN_ADVICE, mine.response)
                asked += 1
        return passed(
            "Every conversation got its own answer.", counted(asked, asked, "conversations"), rule
        )


async def _unlike(
    ctx: Context, rng: Random, sentences: int
) -> tuple[list[dict[str, Any]], list[Answer]]:
    """A pair of equally long conversations with unlike answers.

    PartyFailed when no try finds one.
    """
    for _ in range(TWIN_TRIES):
        bodies = [prompts.chat(talk, TWIN_TOKENS, True) for talk in prompts.twin(rng, sentences)]
        right = await trusted(ctx, bodies)
        one, other = right
        alike = one.usage["prompt_tokens"] == other.usage["prompt_tokens"]
        if alike and one.text and other.text and not agrees(one, other) and not agrees(other, one):
            return bodies, right
    raise PartyFailed("the baseline answers all twins alike")


class Usage(Check):
    """Token counts and the reason of the end, for odd characters, short answers and both forms, as
    the baseline's.
    """

    id = "usage"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("usage")
        bodies = []
        for number in range(USAGES):
            odd = " ".join(rng.sample(prompts.ODD, 3))
            asked = f"{prompts.task(rng)} {odd}"
            raw = prompts.RAW[number // 2]
            talk = [prompts.user(f"{raw} {asked}" if raw.startswith(" ") else f"{asked} {raw}")]
            if number % 3 == 0:
                talk.insert(0, prompts.system(prompts.policy(rng, 1)))
            bodies.append(prompts.chat(talk, rng.randint(1, 24), number % 2 == 0))
        mine, theirs = await asyncio.gather(
            ask_all(ctx.app, bodies, at_once=4), trusted(ctx, bodies)
        )
        wrong = [
            (a, said) for a, b in zip(mine, theirs, strict=True) if (said := self._wrong(a, b))
        ]
        measured = counted(USAGES - len(wrong), USAGES, "replies")
        if wrong:
            return failed(
                f"{wrong[0][1]}.", measured, every("replies"), USAGE_ADVICE, wrong[0][0].response
            )
        return passed(
            "Every count is the tokenizer's, and every answer says why it ended.",
            measured,
            every("replies"),
        )

    @staticmethod
    def _wrong(mine: Answer, theirs: Answer) -> str:
        """The first count that is off.

        An answer that says something else is judged by its prompt alone.
        """
        if mine.wrong:
            return f"A chat {mine.wrong}"
        if mine.usage and not isinstance(at_pointer(mine.last, "/usage"), dict):
            return "The last event before [DONE] holds no usage"
        keys = KEYS if mine.text == theirs.text else KEYS[:1]
        for key in keys:
            found: Any = mine.usage.get(key)
            if found != theirs.usage[key]:
                return f"usage.{key} is {str(found)[:40]}, the tokenizer says {theirs.usage[key]}"
        if mine.text == theirs.text and mine.finish != theirs.finish:
            return f"finish_reason is {mine.finish[:40]!r}, the answer ended with {theirs.finish!r}"
        return ""


BUSY_ADVICE = "Serve eight requests at once; refuse only what goes beyond."
GREEDY_ADVICE = (
    "Take the most likely token in every step, use the ChatML template of the brief as it stands, "
    "and give every "
    "sequence its own positions. Texts that differ only under load point to sequences that see "
    "each other's cells; "
    "replacement characters in a text point to tokens that end in the middle of a character."
)
TWIN_ADVICE = (
    "Whatever you keep of a prompt belongs to all of its tokens. Look it up by the whole sequence, "
    "not by its "
    "beginning, its length or its text with something taken away."
)
USAGE_ADVICE = (
    "Count tokens of the model: the whole prompt with its template, its contents as they came, and "
    "every token that "
    "was chosen except the end token. Words and pieces of text are something else. In a stream the "
    "usage is in the "
    "last event before [DONE]. finish_reason is length when max_tokens ended the answer."
)
