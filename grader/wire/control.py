"""What a check may ask of the engine side: one class a request, and the class of its reply.

Both ends import these classes, so an action that one end knows can't be unknown to the other. What
the engine does for each stands in ``grader.pods.obey``; a test drives every member of ``Request``
over the real line.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from grader.result import Frozen

MAX_LOG_BYTES = 65536
MIN_MEMORY_MB = 8


class ControlError(Exception):
    """The engine side could not do what a check asked for. Never the learner's fault."""


# -- replies


class Nothing(Frozen):
    """It was done, and there is nothing to tell."""


class StateReply(Frozen):
    """What the engine says about a party. ``exit_code`` is None while it runs."""

    running: bool
    exit_code: int | None
    oom_killed: bool
    paused: bool


class StoppedReply(StateReply):
    """The state at the end, and the seconds from SIGTERM to it."""

    seconds: float


class HeldReply(Frozen):
    """False: the party uses more memory than that, and nothing was changed."""

    held: bool


class LogsReply(Frozen):
    """The newest output, escapes neutralised."""

    text: str


class UsageReply(Frozen):
    """CPU seconds so far; bytes at the peak and in use now, without pages of files."""

    cpu_s: float
    memory_peak_bytes: int
    memory_bytes: int


class CommandReply(Frozen):
    """What the sidecar answered: its ledger, its fault schedule, ..."""

    data: dict[str, Any]


# -- requests


class Asked(Frozen):
    """Base of the requests. ``party`` is the name of a container of the pod."""

    reply: ClassVar[type[Frozen]] = Nothing
    party: str


class State(Asked):
    reply = StateReply
    action: Literal["state"] = "state"


class Stop(Asked):
    """SIGTERM and, when the grace is over, SIGKILL. Without ``grace_s``: the lab's."""

    reply = StoppedReply
    action: Literal["stop"] = "stop"
    grace_s: float | None = Field(None, ge=0, le=600)


class Signal(Asked):
    """``signal``: its name, e.g. SIGKILL."""

    action: Literal["signal"] = "signal"
    signal: str


class Restart(Asked):
    """Stop hard and start, or start again what ended. /data survives."""

    action: Literal["restart"] = "restart"


class Pause(Asked):
    action: Literal["pause"] = "pause"


class Unpause(Asked):
    action: Literal["unpause"] = "unpause"


class FillData(Asked):
    """Take all the space that is left in the party's /data."""

    action: Literal["fill_data"] = "fill_data"


class FreeData(Asked):
    """Give it back."""

    action: Literal["free_data"] = "free_data"


class LimitMemory(Asked):
    """A new memory limit while the party runs."""

    reply = HeldReply
    action: Literal["limit_memory"] = "limit_memory"
    memory_mb: int = Field(ge=1, le=1 << 20)


class WeighAlike(Asked):
    """From now on the party weighs what any other does when processors are scarce."""

    action: Literal["weigh_alike"] = "weigh_alike"


class WeighAsBefore(Asked):
    """Give the party the weight back with which it started."""

    action: Literal["weigh_as_before"] = "weigh_as_before"


class Logs(Asked):
    """``since_s``: Unix time. At most ``MAX_LOG_BYTES`` are given."""

    reply = LogsReply
    action: Literal["logs"] = "logs"
    max_bytes: int = Field(MAX_LOG_BYTES, ge=0)
    since_s: float | None = None


class Usage(Asked):
    reply = UsageReply
    action: Literal["usage"] = "usage"


class Command(Asked):
    """One command to an interactive sidecar."""

    reply = CommandReply
    action: Literal["command"] = "command"
    payload: dict[str, Any]


Request = Annotated[
    State
    | Stop
    | Signal
    | Restart
    | Pause
    | Unpause
    | FillData
    | FreeData
    | LimitMemory
    | WeighAlike
    | WeighAsBefore
    | Logs
    | Usage
    | Command,
    Field(discriminator="action"),
]
REQUESTS: tuple[type[Asked], ...] = get_args(get_args(Request)[0])
"""Every member of ``Request``."""
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


def request(action: str, party: str, args: dict[str, Any]) -> Request:
    """The typed request for what a check wrote.

    Raises ControlError for an unknown action or wrong arguments.
    """
    try:
        return REQUEST.validate_python({**args, "action": action, "party": party})
    except ValidationError as error:
        known = ", ".join(str(each.model_fields["action"].default) for each in REQUESTS)
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise ControlError(f"{action} {party}: {wrong} (known actions: {known})") from error


def reply_of(asked: Request, data: dict[str, Any]) -> dict[str, Any]:
    """The checked reply as a check sees it. Raises ControlError when it has another shape."""
    try:
        reply = asked.reply.model_validate(data)
    except ValidationError as error:
        raise ControlError(
            f"{asked.action} {asked.party}: the engine's reply has another shape"
        ) from error
    return reply.data if isinstance(reply, CommandReply) else reply.model_dump()
