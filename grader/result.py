"""What a check measured and what a run decided. Plain frozen data; no rendering, no scoring of pages."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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


class Rule(Frozen):
    """The bound that a measured value is held against, e.g. ``at least 1.4 x baseline``."""

    op: Literal["at_least", "at_most", "all", "none", "exact"]
    threshold: float | None = None
    unit: str = Field("", description="'ratio' (times the baseline), 's', 'ms', '%', 'requests', ...")
    text: str = Field(description="The rule in words, e.g. 'at least 1.40 x baseline'")


class Measured(Frozen):
    """A measured value with its unit, sample size and, where there is one, its interval."""

    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = Field(None, description="sample size")
    text: str = Field(description="The value in words, e.g. '1.17 x baseline [1.13, 1.21], n = 28'")


class Exchange(Frozen):
    """One HTTP request and what came back, bounded, as seen on the wire. Bodies are untrusted text."""

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
    log: str = Field("", description="what the learner's service printed in that time; never graded")


class Mark(Frozen):
    """A fault, or an alert of the learner's own, on a timeline; in seconds from its start."""

    start_s: float
    end_s: float
    text: str
    kind: Literal["fault", "alert"] = "fault"


class Series(Frozen):
    """Data of one plot. ``histogram``: raw samples per side; ``timeline``: (seconds, value) points."""

    kind: Literal["histogram", "timeline", "bars"]
    title: str
    unit: str
    app: list[float] | list[tuple[float, float]] = []
    baseline: list[float] | list[tuple[float, float]] = []
    threshold: float | None = None
    whole: dict[str, dict[str, Any]] = Field(
        {}, description="all samples of each side as an exported histogram; the engine moves them to the evidence"
    )
    marks: list[Mark] = []
    summary: str = Field("", description="the conclusion in one sentence: the text equivalent")


class Measurement(Frozen):
    """What one check returns. Outcome here is never ``skipped``."""

    outcome: Outcome
    message: str = Field(description="What happened, in one or two plain sentences")
    measured: Measured
    rule: Rule
    advice: str = Field("", description="What to do next; required when failed")
    exchange: Exchange | None = Field(None, description="The request that shows the failure best")
    series: list[Series] = []
    data: dict[str, Any] = {}
    unanswered: bool = Field(
        False, description="Failed by a request of a comparison that got no answer: measured once more before it counts"
    )


class CheckResult(Frozen):
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
    data: dict[str, Any] = {}
    seconds: float = 0.0


class RunResult(Frozen):
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
