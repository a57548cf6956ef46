"""More requests than fit."""

from __future__ import annotations

import re
import statistics

from lab_checks import prompts
from lab_checks.chats import Answer, agrees, ask_all, first_s, trusted

from grader.lab_api import (
    Check,
    Context,
    Measured,
    Measurement,
    Rule,
    failed,
    passed,
    seconds_histogram,
    undecided,
)

USERS, BURST, TOKENS, SHARE = 8, 32, 16, 0.6
OTHER_TEXT = 0.1  # share of texts that may differ
SECONDS = re.compile(r"[0-9]{1,4}")
RULE = Rule(
    op="at_most",
    threshold=SHARE,
    unit="ratio",
    text=f"429 with Retry-After; p95 at most {SHARE:.2f} × R",
)


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


class Overload(Check):
    """A burst at four times the capacity: some are refused politely, the others don't wait long.

    The baseline's burst lies between two of the learner's, and both have to agree: what disturbs
    the machine during one of the three is no verdict.
    """

    id = "overload"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("overload")
        bodies = [
            prompts.chat([prompts.user(prompts.task(rng))], TOKENS, True) for _ in range(BURST)
        ]
        first = await ask_all(ctx.app, bodies, at_once=BURST)
        right = await trusted(ctx, bodies, at_once=BURST)
        second = await ask_all(ctx.app, bodies, at_once=BURST)
        mine = [*first, *second]
        refused = [a for a in mine if a.response.status == 429]
        text = f"{sum(not a.wrong for a in mine)} answered, {len(refused)} refused of {len(mine)}"
        if wrong := self._refusals(first, second, refused) or self._texts(mine, right):
            message, shown = wrong
            measured = Measured(value=len(refused), unit="requests", n=len(mine), text=text)
            return failed(message, measured, RULE, REFUSE_ADVICE, shown.response)
        return self._waits(first, second, p95([first_s(a) for a in right]), text)

    @staticmethod
    def _waits(
        first: list[Answer], second: list[Answer], theirs_s: float, text: str
    ) -> Measurement:
        """How long the accepted of the two bursts waited, beside the baseline's."""
        accepted = [a for a in (*first, *second) if not a.wrong]
        late = [p95([first_s(a) for a in burst if not a.wrong]) for burst in (first, second)]
        middle, low, high = (
            value / theirs_s for value in (statistics.fmean(late), min(late), max(late))
        )
        text = f"p95 {middle:.2f} × baseline [{low:.2f}, {high:.2f}]; {text}"
        measured = Measured(
            value=middle, unit="ratio", low=low, high=high, n=len(accepted), text=text
        )
        message = (
            f"Of a burst of {BURST}, 95 % of the accepted began within {late[0]:.2f} s, of another "
            "one within "
            f"{late[1]:.2f} s; the baseline's, between the two, {theirs_s:.2f} s."
        )
        series = [
            seconds_histogram(
                "Time to first token in the burst",
                [first_s(a) for a in accepted],
                threshold=theirs_s * SHARE,
                summary=message,
            )
        ]
        if high <= SHARE:
            return passed(message, measured, RULE, series=series)
        if low <= SHARE:
            return undecided(message, measured, RULE, series)
        slowest = max(accepted, key=first_s)
        return failed(message, measured, RULE, REFUSE_ADVICE, slowest.response, series=series)

    @staticmethod
    def _refusals(
        first: list[Answer], second: list[Answer], refused: list[Answer]
    ) -> tuple[str, Answer] | None:
        """What is wrong with whom was refused, and how."""
        for answer in (*first, *second):
            if answer.wrong and answer.response.status != 429:
                return (
                    f"In a burst of {BURST}, a chat {answer.wrong}; only 429 says that it is full.",
                    answer,
                )
        if not refused:
            return f"A burst of {BURST} was queued as a whole; nobody was refused.", second[-1]
        for answer in refused:
            if not SECONDS.fullmatch(answer.response.headers.get("retry-after", "").strip()):
                return "A 429 came without Retry-After in whole seconds.", answer
        fewest = min(sum(not a.wrong for a in burst) for burst in (first, second))
        if fewest < USERS:
            return f"Only {fewest} of a burst were accepted, {USERS} users must fit.", refused[0]
        return None

    @staticmethod
    def _texts(mine: list[Answer], right: list[Answer]) -> tuple[str, Answer] | None:
        """An answer that begins early with something else is no answer."""
        pairs = zip(mine, right * 2, strict=True)
        odd = [a for a, b in pairs if not a.wrong and not agrees(a, b)]
        if len(odd) > OTHER_TEXT * sum(not a.wrong for a in mine):
            return (
                f"In a burst of {BURST}, {len(odd)} answers differ from the baseline's text.",
                odd[0],
            )
        return None


REFUSE_ADVICE = (
    "Count the requests that run and wait. Beyond what can begin soon, answer 429 with a "
    "Retry-After header in whole "
    "seconds before any work is done."
)
