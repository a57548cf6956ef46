"""The typed JSON lines between engine and probe, over the probe's stdin and stdout.

Down: AwaitParties, then Start, then one Reply per Control. Up: Listening, then ReadyNow or
NotReadyNow, then Log, CheckBegun, CheckEnded and Control in any order, then Done. A Fault at any
time means: our error.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from grader.lab import LabSpec
from grader.result import CheckResult, Exchange, Frozen, Told
from grader.wire.control import Request

KEY_HEADER = "X-Baseline-Key"
"""The pod's parties share one loopback: without a key a learner's service could let the baseline do
its work.
"""


class Awaited(Frozen):
    """A party to wait for: TCP accepts, and ``ready_path`` answers 200 where there is one.

    ``closed``: to be held against letting anybody in who has no key.
    """

    port: int
    ready_path: str | None = None
    closed: bool = False


class AwaitParties(Frozen):
    type: Literal["await"] = "await"
    parties: dict[str, Awaited]
    timeout_s: float


class Start(Frozen):
    """Everything the probe needs.

    ``files``: the contract and checks/ of the lab, base64 by path.
    """

    type: Literal["start"] = "start"
    spec: LabSpec
    seed: str
    ports: dict[str, int]
    files: dict[str, str]
    baseline_key: str
    only: list[str] = []
    deadline_s: float


class Reply(Told):
    type: Literal["reply"] = "reply"
    id: int
    ok: bool
    data: dict[str, Any] = {}
    error: str = ""


class Listening(Frozen):
    """Answer to AwaitParties; ``missing`` names the parties that did not come up in time, ``open``
    those that should be closed and served a stranger.
    """

    type: Literal["listening"] = "listening"
    missing: list[str] = []
    open: list[str] = []


class ReadyNow(Frozen):
    type: Literal["ready"] = "ready"
    seconds: float


class NotReadyNow(Told):
    type: Literal["not_ready"] = "not_ready"
    reason: str
    advice: str
    exchange: Exchange | None = None


class Log(Told):
    type: Literal["log"] = "log"
    text: str


class CheckBegun(Frozen):
    type: Literal["check_begun"] = "check_begun"
    criterion: str


class CheckEnded(Frozen):
    type: Literal["check_ended"] = "check_ended"
    result: CheckResult


class CheckBroke(Told):
    """A check failed in itself: its traceback, for whoever has to mend it."""

    type: Literal["check_broke"] = "check_broke"
    criterion: str
    trace: str


class Control(Told):
    """A request to the engine side."""

    type: Literal["control"] = "control"
    id: int
    request: Request


class Done(Frozen):
    type: Literal["done"] = "done"


class Fault(Told):
    """The probe itself failed: never the learner's doing."""

    type: Literal["fault"] = "fault"
    message: str


Down = Annotated[AwaitParties | Start | Reply, Field(discriminator="type")]
Up = Annotated[
    Listening
    | ReadyNow
    | NotReadyNow
    | Log
    | CheckBegun
    | CheckEnded
    | CheckBroke
    | Control
    | Done
    | Fault,
    Field(discriminator="type"),
]
DOWN: TypeAdapter[Down] = TypeAdapter(Down)
UP: TypeAdapter[Up] = TypeAdapter(Up)
