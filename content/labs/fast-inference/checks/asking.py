"""What is asked and what came of it: the run's world, scores under load held against the truth, the
model's upload.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lab_checks import model as models
from lab_checks.model import Bag

from grader.lab_api import Answer, Context, Request, Response, Target

QUIET_ROWS, LOAD_ROWS = 400, 600
KNOWN_SHARE = 0.4
"""Of the rows under load. The others are new and not looked at: nobody can tell which is which."""
FRAUD, FINE = "fraud", "ok"
DECIDE_AT = 0.5
OF_QUIET = 0.9
DOUBT = 3.0
"""So many standard errors beyond that before it is more than the luck of which rows were asked."""
FAR, FAR_SHARE, FEW_FAR = 0.35, 0.01, 5
"""A score FAR from that of fp32 was not computed from its row. A FAR_SHARE more of them under load,
and FEW_FAR in all, is no accident; luck is left out of it as above.
"""
NEAR_TIE = 0.02
"""An fp32 score this near to 0.5 is a tie: the last bit of a rounding decides it."""
JSON = {"Content-Type": "application/json"}


@dataclass
class World:
    """Bags with the logits that fp32 gives them.

    ``file``: the ONNX file, until both services have it.
    """

    file: bytes
    size: int
    quiet: list[Bag]
    quiet_logits: np.ndarray
    load: list[Bag]
    load_logits: np.ndarray


def _make(ctx: Context) -> World:
    made = models.make(ctx.rng("weights"))
    g = models.generator(ctx.rng("rows"))
    bags = [models.bag(g) for _ in range(QUIET_ROWS + LOAD_ROWS)]
    z = np.concatenate(
        [made.logits(models.inputs(bags[n : n + 200])) for n in range(0, len(bags), 200)]
    )
    file = made.onnx()
    return World(
        file, len(file), bags[:QUIET_ROWS], z[:QUIET_ROWS], bags[QUIET_ROWS:], z[QUIET_ROWS:]
    )


async def world(ctx: Context) -> World:
    async def make() -> World:
        ctx.note("making the run's model and its truth")
        return await asyncio.to_thread(_make, ctx)

    return await ctx.once("world", make)


def r(ctx: Context) -> Target:
    assert ctx.spec.baseline is not None
    return ctx.target(ctx.spec.baseline.name)


def body_of(ids: Bag) -> bytes:
    return json.dumps({"ids": ids}).encode()


def score_in(document: Any) -> float | None:
    """The score of an answer whose decision fits it; None when the answer is no such thing."""
    if not isinstance(document, dict):
        return None
    score = document.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return None
    if not 0 <= score <= 1 or document.get("decision") != (FRAUD if score >= DECIDE_AT else FINE):
        return None
    return float(score)


SHAPE = (
    f"no score from 0 to 1 with the decision that belongs to it ({FRAUD!r} from {DECIDE_AT:g} on)"
)


async def score(
    target: Target, ids: Bag, timeout_s: float = 20.0
) -> tuple[float | None, str, Response]:
    """(score, what is wrong, the response)."""
    response = await target.request(
        "POST", "/score", body=body_of(ids), headers=JSON, timeout_s=timeout_s
    )
    if response.error or response.status != 200:
        return None, response.error or f"answered {response.status}, expected 200", response
    found = score_in(response.json())
    return found, "" if found is not None else f"answered {SHAPE}", response


def agrees(scores: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Which decisions are those of fp32.

    Where fp32 itself is all but undecided, either will do; nan never does.
    """
    near = np.abs(1 / (1 + np.exp(-logits)) - DECIDE_AT) <= NEAR_TIE
    same = (scores >= DECIDE_AT) == (logits >= 0)
    return np.asarray((same | near) & np.isfinite(scores))


@dataclass
class Quiet:
    """The service's own answers, asked one by one; nan where one was wrong.

    ``agree``: share of right decisions.

    ``far``: share of the scores that lie far from fp32's.
    """

    scores: np.ndarray
    agree: float
    wrong: str
    shown: Response | None
    far: float = 0.0


async def quiet(ctx: Context) -> Quiet:
    """Asked once in a run."""
    return await ctx.once("quiet", lambda: _asked_one_by_one(ctx))


async def _asked_one_by_one(ctx: Context) -> Quiet:
    made = await world(ctx)
    scores, wrong, shown = [], "", None
    for ids in made.quiet:
        found, said, response = await score(ctx.app, ids)
        scores.append(math.nan if found is None else found)
        if said and not wrong:
            wrong, shown = said, response
            if response.error:
                break
    scores += [math.nan] * (len(made.quiet) - len(scores))
    values = np.array(scores)
    agree = float(np.mean(agrees(values, made.quiet_logits)))
    truth = 1 / (1 + np.exp(-made.quiet_logits))
    far = float(np.mean(np.abs(values - truth) > FAR))
    return Quiet(values, agree, wrong, shown, far)


@dataclass
class UnderLoad:
    """Decisions under load that could be compared with the truth."""

    right: int = 0
    total: int = 0
    far: int = 0
    last: bytes = field(default=b"", repr=False)

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 1.0

    def guesses(self, agree: float) -> bool:
        """True when decisions under load are clearly worse than quiet ones, of which ``agree`` is
        the share.
        """
        if self.total < 40:
            return False
        loaded = self.share * (1 - self.share) / self.total
        alone = OF_QUIET**2 * agree * (1 - agree) / QUIET_ROWS
        return OF_QUIET * agree - self.share > DOUBT * math.sqrt(loaded + alone)

    def invents(self, far: float) -> bool:
        """True when scores under load lie far from fp32's clearly more often than ``far``, the
        share of quiet ones.
        """
        if self.total < 40 or self.far < FEW_FAR:
            return False
        share = self.far / self.total
        spread = math.sqrt(share * (1 - share) / self.total + far * (1 - far) / QUIET_ROWS)
        return share - far > FAR_SHARE + DOUBT * spread


class Rows:
    """Rows for a measurement under load.

    No body is ever sent twice: known bags come in a new order each time.
    """

    def __init__(self, made: World, rng: Any) -> None:
        self._world, self._g = made, models.generator(rng)
        self._known = 0
        truth = made.load_logits
        self._truth = 1 / (1 + np.exp(-truth))
        self._right = tuple(agrees(np.full(len(truth), score), truth) for score in (0.0, 1.0))
        """Of every known row whether "ok" is right, and whether "fraud" is; near a tie both are."""
        self.tally = UnderLoad()

    def request(self, *, judged: bool = True, known: bool = False) -> Request:
        """A request for one side.

        With ``judged`` its decision is counted when the truth of its row is known.

        ``known``: the truth of this row is known for certain, not for some of many.
        """
        if not known and self._g.random() >= KNOWN_SHARE:
            return Request("POST", "/score", body_of(models.bag(self._g)), JSON, _shape)
        number = self._known % len(self._world.load)
        self._known += 1
        ids = [int(i) for i in self._g.permutation(self._world.load[number])]
        return Request(
            "POST", "/score", body_of(ids), JSON, self._judge(number) if judged else _shape
        )

    def _judge(self, number: int) -> Any:
        def validate(answer: Answer) -> str:
            if answer.status != 200:
                return f"answered {answer.status}, expected 200"
            found = score_in(answer.json())
            if found is None:
                return f"answered {SHAPE}"
            self.tally.total += 1
            self.tally.far += abs(found - self._truth[number]) > FAR
            self.tally.right += bool(self._right[found >= DECIDE_AT][number])
            return ""

        return validate


def _shape(answer: Answer) -> str:
    if answer.status != 200:
        return f"answered {answer.status}, expected 200"
    return "" if score_in(answer.json()) is not None else f"answered {SHAPE}"
