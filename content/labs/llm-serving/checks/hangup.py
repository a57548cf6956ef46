"""Clients that hang up, and whether a newcomer notices."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab_checks import prompts
from lab_checks.chats import Answer, ask, first_s, trusted

from grader.lab_api import (
    MARGIN,
    Check,
    Context,
    Measured,
    Measurement,
    Outcome,
    Rule,
    decide,
    failed,
    passed,
    undecided,
)

DROPPED, SLOWER = 16, 2.0
HELD_S, PAUSE_S = 1.0, 0.5
QUIET, FEW, MOST = 6, 5, 28
"""Rounds before anybody hangs up; of clients that hang up, those that tell when they agree, and the
last one.
"""
NEWCOMERS, PATIENCE_S = 2, 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """The soonest first token of some newcomers in seconds, beside the baseline's of the same
    moments.
    """

    mine_s: float
    theirs_s: float
    answers: tuple[tuple[Answer, Answer], ...]

    @property
    def log_ratio(self) -> float:
        return math.log(self.mine_s / self.theirs_s)

    @property
    def turned_away(self) -> Answer | None:
        """One of the newcomers, when none of them was served."""
        mine = [a for a, _ in self.answers]
        return mine[0] if all(a.wrong for a in mine) else None

    @property
    def silent(self) -> bool:
        """Nobody got any text, although the baseline had something to say."""
        return not any(a.text for a, _ in self.answers) and any(b.text for _, b in self.answers)


class Disconnect(Check):
    """Long answers are dropped, streamed ones and whole ones, running and waiting; half a second
    later a newcomer is served as if nobody had been there.

    The machine's noise comes and goes within seconds, so each newcomer's time stands beside the
    baseline's. Quiet is measured before the first client hangs up: what is never freed would slow a
    later quiet too.
    """

    id = "disconnect"

    async def run(self, ctx: Context) -> Measurement:
        rng = ctx.rng("disconnect")
        quiet = [await _round(ctx, rng) for _ in range(QUIET)]
        rule = Rule(
            op="at_most", threshold=SLOWER, unit="ratio", text=f"at most {SLOWER:.1f} × quiet"
        )
        if bad := next((a for r in quiet for a, _ in r.answers if a.wrong), None):
            return failed(
                f"A single chat {bad.wrong}.",
                Measured(text="not measured"),
                rule,
                DROP_ADVICE,
                bad.response,
            )
        usual = statistics.median(r.log_ratio for r in quiet)
        after: list[Round] = []
        outcome: Outcome | None = None
        while outcome is None and len(after) < MOST:
            bodies = long_answers(rng, whole_first=len(after) % 2 == 0)
            await asyncio.gather(*(ask(ctx.app, body, timeout_s=HELD_S) for body in bodies))
            await asyncio.sleep(PAUSE_S)
            after.append(await _round(ctx, rng))
            outcome = judged([r.log_ratio - usual for r in after])
        return _say(outcome, quiet, after, rule)


def long_answers(rng: random.Random, whole_first: bool) -> list[dict[str, Any]]:
    """Requests of one round.

    Three quarters have one form and take all seats: what that form leaves behind shows.
    """
    first = DROPPED * 3 // 4
    forms = [not whole_first] * first + [whole_first] * (DROPPED - first)
    return [prompts.chat([prompts.user(prompts.task(rng))], 500, stream) for stream in forms]


async def _round(ctx: Context, rng: random.Random) -> Round:
    """One newcomer after the other, each followed by the baseline's; who is turned away waited as
    long as he would.
    """
    answers = []
    for _ in range(NEWCOMERS):
        body = prompts.chat([prompts.user(prompts.task(rng))], 4, True)
        mine = await ask(ctx.app, body, timeout_s=PATIENCE_S)
        answers.append((mine, (await trusted(ctx, [body]))[0]))
    mine_s = min(PATIENCE_S if a.wrong else first_s(a) for a, _ in answers)
    return Round(mine_s, min(first_s(b) for _, b in answers), tuple(answers))


def judged(log_ratios: Sequence[float]) -> Outcome | None:
    """What the rounds so far say about ``ln(after / quiet)``, or None: go on.

    Early when the rounds agree: all of the first five (or all but one of ten) are well within the
    rule, or all of the first five are beyond twice of it. Else as the rule for ratios does.
    """
    bound, worst = math.log(SLOWER), sorted(log_ratios, reverse=True)
    within = {FEW: worst[0], 2 * FEW: worst[1 % len(worst)]}.get(len(worst))
    if within is not None and within < bound - MARGIN:
        return Outcome.PASSED
    if len(worst) == FEW and worst[-1] > bound + math.log(2):
        return Outcome.FAILED
    return decide(log_ratios, SLOWER, "at_most").outcome


def _say(
    outcome: Outcome | None, quiet: list[Round], after: list[Round], rule: Rule
) -> Measurement:
    shown, rounds = after[-1].answers[-1][0].response, [*quiet, *after]
    if sum(r.silent for r in rounds) * 2 > len(rounds):
        return failed(
            "A chat sent no text.", Measured(text="not measured"), rule, DROP_ADVICE, shown
        )
    usual = statistics.median(r.log_ratio for r in quiet)
    ratios = [math.exp(r.log_ratio - usual) for r in after]
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    text = f"{middle:.2f} × quiet [{low:.2f}, {high:.2f}], n = {len(ratios)}"
    measured = Measured(value=middle, unit="ratio", low=low, high=high, n=len(ratios), text=text)
    now, before, theirs_now, theirs = (
        f"{statistics.median(values) * 1000:.0f} ms"
        for values in (
            [r.mine_s for r in after],
            [r.mine_s for r in quiet],
            [r.theirs_s for r in after],
            [r.theirs_s for r in quiet],
        )
    )
    message = (
        f"First token after {now} once {DROPPED} clients had hung up; quiet, {before}. "
        f"The baseline, which nobody left, needed {theirs_now} and {theirs}."
    )
    if outcome is Outcome.PASSED:
        return passed(message, measured, rule)
    if outcome is not Outcome.FAILED:
        return undecided(message, measured, rule)
    if away := [a for r in after if (a := r.turned_away)]:
        message = (
            f"{PAUSE_S:g} s after {DROPPED} clients hung up, a chat {away[0].wrong}, in "
            f"{len(away)} of {len(after)} "
            "rounds."
        )
        shown = away[0].response
    return failed(message, measured, rule, DROP_ADVICE, shown)


DROP_ADVICE = (
    "Watch for the client's disconnect, also between two tokens, also of an answer in one piece, "
    "also while a request "
    "waits, and free its sequence before the next step. In an async generator the finally block "
    "runs when the client "
    "is gone; an answer in one piece has to ask for it."
)
