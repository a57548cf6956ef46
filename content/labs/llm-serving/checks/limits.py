"""The bounds of a request, to the token: what just fits is answered, one more is refused, and
refusals cost no seat.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from lab_checks import prompts
from lab_checks.chats import Answer, agrees, ask, read, trusted

from grader.lab_api import Check, Context, Measurement, Target, counted, every, failed, passed

CONTEXT, LONGEST = 2048, 512
WORDS = (" river", " stone", " green", " house", " music", " water")
REFUSALS = 32
"""More than any server holds that refuses somebody of a burst of 32."""
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Filler:
    """A text that is as many tokens longer as it has words more."""

    head: str
    word: str
    tokens: int
    """Of the whole prompt without a word."""
    short: dict[str, Any]
    right: Answer
    """A request with a few words, and the baseline's answer to it."""

    def prompt(self, tokens: int) -> list[dict[str, str]]:
        """A conversation that is so many tokens long, with its template."""
        return [prompts.user(self.head + self.word * (tokens - self.tokens))]


async def filler(ctx: Context, rng: random.Random) -> Filler:
    """Measured with the model's own tokenizer. RuntimeError when the words are no single tokens."""
    head, word = prompts.task(rng), rng.choice(WORDS)
    bodies = [prompts.chat([prompts.user(head + word * count)], 1, False) for count in (10, 30)]
    answers = await trusted(ctx, bodies)
    few, many = (answer.usage["prompt_tokens"] for answer in answers)
    if many - few != 20:
        raise RuntimeError(f"{word!r} is no single token")
    return Filler(head, word, few - 10, bodies[1], answers[1])


class Limits(Check):
    """Requests at the bounds of the context, then many refusals in a row, then one that must be
    served.
    """

    id = "limits"

    async def run(self, ctx: Context) -> Measurement:
        text = await filler(ctx, ctx.rng("limits"))
        checks = (self._fits, self._longest, self._too_long, self._seats)
        for done, check in enumerate(checks):
            if wrong := await check(ctx, text):
                message, answer = wrong
                measured = counted(done, len(checks), "bounds")
                return failed(f"{message}.", measured, every("bounds"), ADVICE, answer.response)
        message = (
            f"{CONTEXT} tokens are answered, {CONTEXT + 1} refused, and {REFUSALS} refusals cost "
            "no seat."
        )
        return passed(message, counted(len(checks), len(checks), "bounds"), every("bounds"))

    @staticmethod
    async def _fits(ctx: Context, text: Filler) -> tuple[str, Answer] | None:
        body = prompts.chat(text.prompt(CONTEXT - 1), 1, False)
        mine, right = await ask(ctx.app, body, PATIENCE_S), (await trusted(ctx, [body]))[0]
        said = f"A prompt of {CONTEXT - 1} tokens with one token of answer"
        if mine.wrong:
            return f"{said} {mine.wrong}", mine
        if (count := mine.usage.get("prompt_tokens")) != right.usage["prompt_tokens"]:
            return f"{said} was counted as {str(count)[:40]}", mine
        if agrees(mine, right) or not agrees(await ask(ctx.app, text.short), text.right):
            return None  # texts that differ anyway are the next criterion's
        return f"{said} was answered as if a part of it were missing", mine

    @staticmethod
    async def _longest(ctx: Context, text: Filler) -> tuple[str, Answer] | None:
        """The longest answer; its client hangs up once it begins."""
        body = prompts.chat(text.prompt(CONTEXT - LONGEST), LONGEST, True)
        mine = await begun(ctx.app, body)
        if mine.response.status == 200:
            return None
        return (
            f"A prompt of {CONTEXT - LONGEST} tokens with {LONGEST} tokens of answer {mine.wrong}",
            mine,
        )

    @staticmethod
    async def _too_long(ctx: Context, text: Filler) -> tuple[str, Answer] | None:
        for asked, answer in ((CONTEXT, 1), (CONTEXT - LONGEST + 1, LONGEST)):
            mine = await ask(ctx.app, prompts.chat(text.prompt(asked), answer, False), PATIENCE_S)
            if not refused(mine):
                return (
                    f"A prompt of {asked} tokens with {answer} of answer {mine.said}, expected 4xx",
                    mine,
                )
        return None

    @staticmethod
    async def _seats(ctx: Context, text: Filler) -> tuple[str, Answer] | None:
        """A seat that is lost with each refused request is missed by the next user."""
        long = prompts.chat(text.prompt(CONTEXT + 1), 1, False)
        wrong = {**prompts.chat(text.prompt(64), LONGEST + 1, True)}
        for number in range(REFUSALS):
            mine = await ask(ctx.app, (long, wrong)[number % 2], PATIENCE_S)
            if not refused(mine):
                return (
                    f"Refusal {number + 1} of {REFUSALS} in a row {mine.said}, expected 4xx",
                    mine,
                )
        mine = await ask(ctx.app, prompts.chat(text.prompt(64), 2, False), PATIENCE_S)
        return (
            (f"After {REFUSALS} refused requests in a row a chat {mine.wrong}", mine)
            if mine.wrong
            else None
        )


def refused(answer: Answer) -> bool:
    """Refused for what it is: a full server says 429, and that is something else."""
    status = answer.response.status
    return (
        not answer.response.error and status is not None and 400 <= status < 500 and status != 429
    )


async def begun(target: Target, body: dict[str, Any]) -> Answer:
    """A stream whose client hangs up at its first bytes."""
    response = await target.request(
        "POST", prompts.PATH, json=body, timeout_s=PATIENCE_S, stop_when=lambda _piece: True
    )
    return read(response, streamed=True)


ADVICE = (
    "Count the prompt with its template and max_tokens together: 2,048 fit, 2,049 are 400. Check a "
    "request before it "
    "takes a seat, and give the seat back on every way out."
)
