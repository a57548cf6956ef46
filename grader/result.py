"""What a check measured and what a run decided.

Plain frozen data; no rendering, no scoring of pages.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from grader.sound import finite, sound

Data = Annotated[dict[str, Any], AfterValidator(finite)]
"""Whatever a check wants to keep, as JSON can hold it."""


def _number_or_none(value: Any) -> Any:
    """JSON has no infinity: a bound that is one is no bound."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite_points(values: Any) -> Any:
    """The points that can be drawn; an infinite latency is counted elsewhere."""
    if not isinstance(values, list | tuple):
        return values
    return [v for v in values if math.isfinite(v if isinstance(v, int | float) else v[-1])]


Number = Annotated[float | None, BeforeValidator(_number_or_none)]
Points = Annotated[list[float] | list[tuple[float, float]], BeforeValidator(_finite_points)]


class Outcome(StrEnum):
    """The outcome of one criterion."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """The outcome of one run. Only ``failed`` and ``not_gradable`` are the learner's fault."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_GRADABLE = "not_gradable"
    ERRORED = "errored"
    CANCELLED = "cancelled"


class Frozen(BaseModel):
    """Base of every value that crosses a boundary: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Told(Frozen):
    """Base of what may hold texts and data that a learner's code wrote: always fit to be sent and
    stored.
    """

    @model_validator(mode="before")
    @classmethod
    def _sound(cls, value: Any) -> Any:
        return sound(value) if isinstance(value, dict) else value


class Rule(Told):
    """The bound that a measured value is held against, e.g. ``at least 1.4 x baseline``."""

    op: Literal["at_least", "at_most", "all", "none", "exact"]
    threshold: Number = None
    unit: str = Field(
        "", description="'ratio' (times the baseline), 's', 'ms', '%', 'requests', ..."
    )
    text: str = Field(description="The rule in words, e.g. 'at least 1.40 x baseline'")


class Measured(Told):
    """A measured value with its unit, sample size and, where there is one, its interval."""

    value: Number = None
    unit: str = ""
    low: Number = None
    high: Number = None
    n: int | None = Field(None, description="sample size")
    text: str = Field(description="The value in words, e.g. '1.17 x baseline [1.13, 1.21], n = 28'")


class Exchange(Told):
    """One HTTP request and what came back, bounded, as seen on the wire.

    Bodies are untrusted text.
    """

    party: str = "app"
    method: str
    path: str
    request_headers: dict[str, str] = {}
    request_body: str = ""
    status: int | None = Field(None, description="None when no response arrived")
    response_headers: dict[str, str] = {}
    response_body: str = Field("", description="at most 4 KiB, decoded with replacement")
    truncated: bool = False
    error: str = Field("", description="why there was no complete response")
    started_s: float = Field(0.0, description="seconds since the probe started")
    first_byte_ms: float | None = None
    total_ms: float | None = None
    log: str = Field(
        "", description="what the learner's service printed in that time; never graded"
    )


class Mark(Told):
    """A fault, or an alert of the learner's own, on a timeline; in seconds from its start."""

    start_s: float
    end_s: float
    text: str
    kind: Literal["fault", "alert"] = "fault"


class Series(Told):
    """Data of one plot.

    ``histogram``: raw samples per side; ``timeline``: (seconds, value) points.
    """

    kind: Literal["histogram", "timeline", "bars"]
    title: str
    unit: str
    app: Points = []
    baseline: Points = []
    threshold: Number = None
    whole: dict[str, dict[str, Any]] = Field(
        {},
        description=(
            "all samples of each side as an exported histogram; the engine moves them to the "
            "evidence"
        ),
    )
    marks: list[Mark] = []
    summary: str = Field("", description="the conclusion in one sentence: the text equivalent")


class Measurement(Told):
    """What one check returns. Outcome here is never ``skipped``."""

    outcome: Outcome
    message: str = Field(description="What happened, in one or two plain sentences")
    measured: Measured
    rule: Rule
    advice: str = Field("", description="What to do next; required when failed")
    exchange: Exchange | None = Field(None, description="The request that shows the failure best")
    series: list[Series] = []
    data: Data = {}
    unanswered: bool = Field(
        False,
        description=(
            "Failed by a request of a comparison that got no answer: measured once more before it "
            "counts"
        ),
    )
    availability: bool = Field(
        False,
        description=(
            "Failed by not being there in time: inconclusive where the machine had no processor to "
            "give"
        ),
    )
    our_fault: bool = Field(
        False, description="The check failed in itself: nothing is said about the service"
    )


class CheckResult(Told):
    """Outcome of one criterion in one run."""

    criterion: str
    check: str
    title: str
    gate: bool
    outcome: Outcome
    points: float
    max_points: float
    message: str
    measured: Measured | None = None
    rule: Rule | None = None
    advice: str = ""
    exchange: Exchange | None = None
    series: list[Series] = []
    data: Data = {}
    seconds: float = 0.0
    our_fault: bool = Field(
        False, description="The check failed in itself: nothing is said about the service"
    )


class RunResult(Told):
    """The whole of a run. ``reason`` says why when no criterion could be judged."""

    lab: str
    lab_version: str = Field(description="content digest, sha256 hex")
    grader_version: str
    seed: str
    verdict: Verdict
    score: float = Field(description="0 to 100")
    reason: str = ""
    advice: str = ""
    criteria: list[CheckResult] = []
    image_digest: str = ""
    seconds: float = 0.0
    engine_lost: bool = Field(
        False, description="the engine or its pod went away in mid-run: to be tried again"
    )
