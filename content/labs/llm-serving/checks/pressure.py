"""More requests than fit, and clients that hang up."""

from __future__ import annotations

import asyncio
import random
import re
import statistics

from lab_checks import prompts
from lab_checks.chats import Answer, agrees, ask, ask_all, trusted

from grader.checks.base import Check, Context
from grader.checks.outcome import failed, passed
from grader.result import Measured, Measurement, Rule, Series

USERS, BURST, TOKENS, SHARE = 8, 32, 16, 0.6
DROPPED, ROUNDS, SLOWER = 16, 5, 2.0
HELD_S, PAUSE_S = 1.0, 0.5
OTHER_TEXT = 0.1  # share of texts that may differ
SECONDS = re.compile(r"[0-9]{1,4}")


def first_s(answer: Answer) -> float:
    """Seconds to the first text, or to the end of an answer without any."""
    return min(answer.ttft_s, answer.response.total_s)


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


class Overload(Check):
    """A burst at four times the capacity: some are refused politely, the others don't wait long."""

    id = "overload"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("overload")
        bodies = [prompts.chat([prompts.user(prompts.task(rng))], TOKENS, True) for _ in range(BURST)]
        right = await trusted(ctx, bodies, at_once=BURST)
        theirs = p95([first_s(a) for a in right])
        mine = [a for _ in range(2) for a in await ask_all(ctx.app, bodies, at_once=BURST)]
        accepted = [a for a in mine if not a.wrong]
        refused = [a for a in mine if a.response.status == 429]
        text = f"{len(accepted)} answered, {len(refused)} refused of {len(mine)}"
        rule = Rule(
            op="at_most", threshold=SHARE, unit="ratio", text=f"429 with Retry-After; p95 at most {SHARE:.2f} × R"
        )
        if wrong := self._refusals(mine, accepted, refused) or self._texts(mine, right):
            message, shown = wrong
            measured = Measured(value=len(refused), unit="requests", n=len(mine), text=text)
            return failed(message, measured, rule, REFUSE_ADVICE, shown.response)
        late = p95([first_s(a) for a in accepted])
        ratio = late / theirs
        measured = Measured(value=ratio, unit="ratio", n=len(accepted), text=f"p95 {ratio:.2f} × baseline; {text}")
        message = (
            f"Of a burst of {BURST}, 95 % of the accepted began within {late:.2f} s; the baseline's {theirs:.2f} s."
        )
        series = [
            Series(
                kind="histogram",
                title="Time to first token in the burst",
                unit="s",
                app=[first_s(a) for a in accepted],
                threshold=theirs * SHARE,
                summary=message,
            )
        ]
        if ratio <= SHARE:
            return passed(message, measured, rule, series=series)
        slowest = max(accepted, key=first_s)
        return failed(message, measured, rule, REFUSE_ADVICE, slowest.response, series=series)

    @staticmethod
    def _refusals(mine: list[Answer], accepted: list[Answer], refused: list[Answer]) -> tuple[str, Answer] | None:
        """What is wrong with whom was refused, and how."""
        for answer in mine:
            if answer.wrong and answer.response.status != 429:
                return f"In a burst of {BURST}, a chat {answer.wrong}; only 429 says that it is full.", answer
        if not refused:
            return f"A burst of {BURST} was queued as a whole; nobody was refused.", mine[-1]
        for answer in refused:
            if not SECONDS.fullmatch(answer.response.headers.get("retry-after", "").strip()):
                return "A 429 came without Retry-After in whole seconds.", answer
        if len(accepted) < 2 * USERS:
            return f"Only {len(accepted) / 2:.0f} of a burst were accepted, {USERS} users must fit.", refused[0]
        return None

    @staticmethod
    def _texts(mine: list[Answer], right: list[Answer]) -> tuple[str, Answer] | None:
        """An answer that begins early with something else is no answer."""
        pairs = zip(mine, right * 2, strict=True)
        odd = [a for a, b in pairs if not a.wrong and not agrees(a, b)]
        if len(odd) > OTHER_TEXT * sum(not a.wrong for a in mine):
            return f"In a burst of {BURST}, {len(odd)} answers differ from the baseline's text.", odd[0]
        return None


class Disconnect(Check):
    """Long streams are dropped; half a second later a newcomer is served as if nobody had been there."""

    id = "disconnect"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("disconnect")
        quiet = [await self._newcomer(ctx, rng) for _ in range(8)]
        after = []
        for _ in range(ROUNDS):
            bodies = [prompts.chat([prompts.user(prompts.task(rng))], 500, True) for _ in range(DROPPED)]
            await asyncio.gather(*(ask(ctx.app, body, timeout_s=HELD_S) for body in bodies))
            await asyncio.sleep(PAUSE_S)
            after.append(await self._newcomer(ctx, rng))
        rule = Rule(op="at_most", threshold=SLOWER, unit="ratio", text=f"at most {SLOWER:.1f} × quiet")
        silent = [a for a in (*quiet, *after) if not a.text]
        turned_away = [a for a in (*quiet, *after) if a.wrong] or (silent if len(silent) > len(after) else [])
        if turned_away:
            measured = Measured(
                value=len(turned_away), unit="requests", n=len(after), text=f"{len(turned_away)} turned away"
            )
            message = f"{PAUSE_S:g} s after {DROPPED} clients hung up, a chat {turned_away[0].wrong or 'sent no text'}."
            return failed(message, measured, rule, DROP_ADVICE, turned_away[0].response)
        middle = [statistics.median(first_s(a) for a in side) for side in (quiet, after)]
        ratio = middle[1] / middle[0]
        shown = [f"{value * 1000:.0f} ms" for value in middle]
        message = f"First token after {shown[1]} once {DROPPED} clients had hung up; quiet, {shown[0]}."
        measured = Measured(value=ratio, unit="ratio", n=len(after), text=f"{ratio:.2f} × quiet, n = {len(after)}")
        if ratio <= SLOWER:
            return passed(message, measured, rule)
        return failed(message, measured, rule, DROP_ADVICE, after[-1].response)

    @staticmethod
    async def _newcomer(ctx: Context, rng: random.Random) -> Answer:
        return await ask(ctx.app, prompts.chat([prompts.user(prompts.task(rng))], 4, True))


REFUSE_ADVICE = (
    "Count the requests that run and wait. Beyond what can begin soon, answer 429 with a Retry-After header in whole "
    "seconds before any work is done."
)
DROP_ADVICE = (
    "Watch for the client's disconnect, also between two tokens, and free its sequence before the next step. In an "
    "async generator the finally block runs when the client is gone."
)
