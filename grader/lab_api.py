"""All that a lab's checks may import.

Published lab versions never change, so no name is ever taken away from here.

``API`` is the version of this surface: it grows by one when the meaning of a name changes for labs
that come later.
The names are looked up when they are asked for: a lab loads no more than it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.checks.base import Check as Check
    from grader.checks.base import Context as Context
    from grader.checks.base import Params as Params
    from grader.checks.base import PartyFailed as PartyFailed
    from grader.checks.base import Unmeasurable as Unmeasurable
    from grader.checks.cases import Case as Case
    from grader.checks.cases import at_pointer as at_pointer
    from grader.checks.outcome import counted as counted
    from grader.checks.outcome import every as every
    from grader.checks.outcome import failed as failed
    from grader.checks.outcome import passed as passed
    from grader.checks.outcome import undecided as undecided
    from grader.checks.plots import seconds_histogram as seconds_histogram
    from grader.checks.replacement import RollingReplacement as RollingReplacement
    from grader.checks.retrieval import Bm25 as Bm25
    from grader.checks.retrieval import Quality as Quality
    from grader.checks.retrieval import evaluate as evaluate
    from grader.checks.retrieval import fuse as fuse
    from grader.checks.retrieval import measured_share as measured_share
    from grader.checks.retrieval import recall_series as recall_series
    from grader.checks.retrieval import wilson as wilson
    from grader.checks.streaming import Stream as Stream
    from grader.checks.streaming import Streaming as Streaming
    from grader.checks.streaming import StreamingParams as StreamingParams
    from grader.checks.streaming import read_stream as read_stream
    from grader.checks.tally import Tally as Tally
    from grader.faults.inject import Faults as Faults
    from grader.faults.recovery import timeline as timeline
    from grader.http import events_of as events_of
    from grader.http import media_type as media_type
    from grader.http.client import Target as Target
    from grader.http.response import Response as Response
    from grader.load.attack import attack as attack
    from grader.load.background import Background as Background
    from grader.load.closed import ClosedLoop as ClosedLoop
    from grader.load.closed import Slice as Slice
    from grader.load.closed import Wrong as Wrong
    from grader.load.compare import Plan as Plan
    from grader.load.compare import compare as compare
    from grader.load.metrics import Samples as Samples
    from grader.load.metrics import percentile as percentile
    from grader.load.pacer import Schedule as Schedule
    from grader.load.pacer import constant as constant
    from grader.load.pacer import step as step
    from grader.load.quiet import quiet_collector as quiet_collector
    from grader.load.targeter import Answer as Answer
    from grader.load.targeter import Request as Request
    from grader.load.targeter import is_unanswered as is_unanswered
    from grader.load.targeter import json_request as json_request
    from grader.result import Mark as Mark
    from grader.result import Measured as Measured
    from grader.result import Measurement as Measurement
    from grader.result import Outcome as Outcome
    from grader.result import Rule as Rule
    from grader.result import Series as Series
    from grader.sidecars.model_gateway.embedding import Embedder as Embedder
    from grader.sidecars.model_gateway.faults import FaultRule as FaultRule
    from grader.sidecars.model_gateway.prompt import ChatRequest as ChatRequest
    from grader.sidecars.model_gateway.reader import Reader as Reader
    from grader.sidecars.model_gateway.replies import stream as stream
    from grader.sidecars.model_gateway.seeded import asked as asked
    from grader.sidecars.model_gateway.seeded import digest_of as digest_of
    from grader.stats.ratio import MARGIN as MARGIN
    from grader.stats.ratio import Decision as Decision
    from grader.stats.ratio import decide as decide
    from grader.stats.ratio import next_look as next_look
    from grader.stats.ratio import ratio_measured as ratio_measured
    from grader.stats.ratio import ratio_rule as ratio_rule

API = 1
MOVED = {
    "grader.load.histogram": "grader.stats.histogram",
    "grader.load.ratio": "grader.stats.ratio",
    "grader.probe.http": "grader.http.client",
    "grader.probe.response": "grader.http.response",
}
"""Where modules are now that lab versions from before this surface import by name."""
WHERE = {
    "grader.checks.base": (
        "Check",
        "Context",
        "Params",
        "PartyFailed",
        "Unmeasurable",
    ),
    "grader.checks.cases": (
        "Case",
        "at_pointer",
    ),
    "grader.checks.outcome": (
        "counted",
        "every",
        "failed",
        "passed",
        "undecided",
    ),
    "grader.checks.plots": ("seconds_histogram",),
    "grader.checks.replacement": ("RollingReplacement",),
    "grader.checks.retrieval": (
        "Bm25",
        "Quality",
        "evaluate",
        "fuse",
        "measured_share",
        "recall_series",
        "wilson",
    ),
    "grader.checks.streaming": (
        "Stream",
        "Streaming",
        "StreamingParams",
        "read_stream",
    ),
    "grader.checks.tally": ("Tally",),
    "grader.faults.inject": ("Faults",),
    "grader.faults.recovery": ("timeline",),
    "grader.http": (
        "events_of",
        "media_type",
    ),
    "grader.http.client": ("Target",),
    "grader.http.response": ("Response",),
    "grader.load.attack": ("attack",),
    "grader.load.background": ("Background",),
    "grader.load.closed": (
        "ClosedLoop",
        "Slice",
        "Wrong",
    ),
    "grader.load.compare": (
        "Plan",
        "compare",
    ),
    "grader.load.metrics": (
        "Samples",
        "percentile",
    ),
    "grader.load.pacer": (
        "Schedule",
        "constant",
        "step",
    ),
    "grader.load.quiet": ("quiet_collector",),
    "grader.stats.ratio": (
        "Decision",
        "MARGIN",
        "decide",
        "next_look",
        "ratio_measured",
        "ratio_rule",
    ),
    "grader.load.targeter": (
        "Answer",
        "Request",
        "is_unanswered",
        "json_request",
    ),
    "grader.result": (
        "Mark",
        "Measured",
        "Measurement",
        "Outcome",
        "Rule",
        "Series",
    ),
    "grader.sidecars.model_gateway.embedding": ("Embedder",),
    "grader.sidecars.model_gateway.faults": ("FaultRule",),
    "grader.sidecars.model_gateway.prompt": ("ChatRequest",),
    "grader.sidecars.model_gateway.reader": ("Reader",),
    "grader.sidecars.model_gateway.replies": ("stream",),
    "grader.sidecars.model_gateway.seeded": (
        "asked",
        "digest_of",
    ),
}
"""Module -> what comes from it."""
_PLACES = {name: module for module, names in WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    """The object of this name, from where it lives."""
    if name not in _PLACES:
        raise AttributeError(
            f"lab_api has no {name!r}; docs/lab-author.md says what a lab may import"
        )
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_PLACES, "API"])
