"""From instructions to a plan: every instruction is checked and written anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from grader.dockerfile import arguments
from grader.dockerfile.bases import Bases
from grader.dockerfile.copying import copy
from grader.dockerfile.lines import Instruction, lex
from grader.dockerfile.plan import Fault, Plan, Refusal, refused
from grader.dockerfile.running import run
from grader.dockerfile.state import Command, Stage, State
from grader.dockerfile.variables import automatic, expand, host_platform

MAX_INSTRUCTIONS = 100
MAX_STAGES = 10
_STAGE = re.compile(r"[a-z][a-z0-9_.-]{0,60}")
IGNORED = {
    "LABEL": "LABEL is ignored",
    "MAINTAINER": "MAINTAINER is ignored",
    "HEALTHCHECK": "HEALTHCHECK is ignored: the probe looks at the lab's own routes",
    "STOPSIGNAL": "STOPSIGNAL is ignored: a stop is SIGTERM",
}
REFUSED = {"ONBUILD": "Write the instruction itself."}
ALLOWED = "FROM, RUN, COPY, ADD, WORKDIR, ENV, ARG, USER, EXPOSE, CMD, ENTRYPOINT, SHELL, VOLUME"


def canonical(
    data: bytes, bases: Bases, labels: Mapping[str, str], prelude: Sequence[str] = ()
) -> Plan:
    """Check and rewrite a Dockerfile. Raises DockerfileRefused with every fault and its line.

    ``labels`` and the instructions of ``prelude`` are written behind each FROM.
    """
    state, faults = read(data, bases, labels, prelude)
    if faults:
        raise refused(faults)
    volumes = sorted(set(state.stage.volumes))
    if volumes:  # at the very end, so that no RUN step makes a volume of it
        state.emit(f"VOLUME {arguments.as_json(volumes)}")
    return Plan(
        text="".join(f"{line}\n" for line, _ in state.out),
        steps=tuple(shown for _, shown in state.out),
        notes=state.notes,
        files=dict(state.files),
        modes=tuple(state.modes),
        volumes=tuple(volumes),
    )


def read(
    data: bytes, bases: Bases, labels: Mapping[str, str], prelude: Sequence[str] = ()
) -> tuple[State, list[Fault]]:
    """Everything that a Dockerfile says, and all that is wrong with it, by line."""
    state, lexed = State(bases, labels, tuple(prelude)), lex(data)
    faults = list(lexed.faults)
    for number, name in lexed.directives:
        state.note(number, f"# {name}= is ignored: Seatrial reads the file itself")
    if len(lexed.instructions) > MAX_INSTRUCTIONS:
        what = f"it has more than {MAX_INSTRUCTIONS} instructions"
        faults.append(Fault(0, what, "Join RUN lines with &&."))
    broken_from = False
    for line in lexed.instructions[:MAX_INSTRUCTIONS]:
        try:
            broken_from = _one(state, line, broken_from)
        except Refusal as refusal:
            faults.append(Fault(line.line, refusal.what, refusal.advice))
            broken_from = broken_from or line.keyword == "FROM"
    if not state.stages and not broken_from and not any(fault.line for fault in faults):
        names = bases.names()
        faults.append(
            Fault(0, "it has no FROM", f"Begin with FROM {names[0] if names else 'an image'}.")
        )
    return state, sorted(faults, key=lambda fault: fault.line)


def _one(state: State, line: Instruction, broken_from: bool) -> bool:
    """Read one instruction.

    Returns whether a FROM above could not be read: what follows is not to blame for that.
    """
    keyword = line.keyword
    if keyword in IGNORED:
        state.note(line.line, IGNORED[keyword])
    elif keyword in REFUSED:
        raise Refusal(f"{keyword} is not allowed", REFUSED[keyword])
    elif keyword == "FROM":
        _from(state, line)
        return False
    elif keyword == "ARG" and not state.stages:
        _global_argument(state, line.rest)
    elif keyword not in _INSTRUCTIONS:
        raise Refusal(f"{keyword[:20]} is not an instruction", f"Allowed: {ALLOWED}.")
    elif not state.stages:
        if not broken_from:
            raise Refusal(
                f"{keyword} stands before FROM", "Begin with FROM; only ARG may stand before it."
            )
    else:
        _INSTRUCTIONS[keyword](state, line)
    return broken_from


def _from(state: State, line: Instruction) -> None:
    flags, rest = arguments.split_flags(line.rest)
    for name, value in flags:
        _platform(state, line.line, name, value)
    words = rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise Refusal(
            "FROM takes an image and, at most, AS name", "Write FROM image or FROM image AS name."
        )
    if len(state.stages) >= MAX_STAGES:
        raise Refusal(f"it has more than {MAX_STAGES} stages", "Join stages.")
    image = expand(words[0], {**automatic(), **state.arguments})
    name = words[2].lower() if len(words) == 3 else ""
    stage = Stage(name, f"stage-{len(state.stages)}", begins=len(state.out))
    state.stages.append(stage)
    if name:
        _name(state, name)
    if image == "scratch":
        source = "scratch"
    elif parent := state.earlier(image):
        source, stage.shell, stage.volumes = parent.alias, list(parent.shell), list(parent.volumes)
    else:
        held = state.bases.resolve(image)
        if held is None:
            raise Refusal(f"there is no base image {image[:80]!r} here", state.bases.refusal(image))
        source = held
    state.emit(
        f"FROM {source} AS {stage.alias}", f"FROM {image}" + (f" AS {words[2]}" if name else "")
    )
    state.emit(state.label())
    for instruction in state.prelude:
        state.emit(instruction)


def _name(state: State, name: str) -> None:
    if (
        not _STAGE.fullmatch(name)
        or any(other.name == name for other in state.stages[:-1])
        or name == "scratch"
    ):
        raise Refusal(
            f"{name[:40]!r} can't be the name of a stage",
            "Use a new name of letters, digits, - and _.",
        )


def _platform(state: State, line: int, name: str, value: str | None) -> None:
    if name != "platform":
        raise Refusal(f"FROM --{name[:30]} is not allowed", "Allowed: --platform.")
    wanted, own = expand(value or "", {**automatic(), **state.arguments}), host_platform()
    if wanted not in (own, "linux"):
        raise Refusal(
            f"--platform={wanted[:40]} is not this machine's",
            f"Builds run on {own}; leave the flag out.",
        )
    state.note(line, "FROM --platform is ignored: it names this machine")


def _global_argument(state: State, rest: str) -> None:
    for name, value in arguments.arg(rest):
        if value is not None:
            state.arguments[name] = expand(
                arguments.unquoted(value), {**automatic(), **state.arguments}
            )
        elif name not in automatic():
            state.arguments.setdefault(name, "")


def _argument(state: State, line: Instruction) -> None:
    """An ARG of a stage.

    Without a default it takes that of an ARG before the first FROM, or BuildKit's own.
    """
    known = {**automatic(), **state.arguments}
    for name, value in arguments.arg(line.rest):
        given = (
            value
            if value is not None
            else (arguments.quoted(known[name]) if name in known else None)
        )
        text = f"ARG {name}" + ("" if given is None else f"={given}")
        state.emit(text, text)


def _expose(state: State, line: Instruction) -> None:
    arguments.expose(line.rest)
    state.note(line.line, "EXPOSE is ignored: the service listens on $PORT")


def _shell(state: State, line: Instruction) -> None:
    state.stage.shell = arguments.exec_form("SHELL", line.rest)
    state.emit(f"SHELL {arguments.as_json(state.stage.shell)}", f"SHELL {line.rest}")


def _command(state: State, line: Instruction) -> None:
    text = arguments.shell_or_exec(line.keyword, line.rest)
    words = (
        tuple(arguments.exec_form(line.keyword, text))
        if text.startswith("[") and text != "[]"
        else ()
    )
    state.commands.append(Command(line.line, line.keyword, words, "" if words else text))
    state.emit(f"{line.keyword} {text}", f"{line.keyword} {line.rest}")


def _volume(state: State, line: Instruction) -> None:
    paths = arguments.volume_paths(line.rest)
    state.stage.volumes += paths
    state.note(line.line, f"VOLUME {' '.join(paths)} is in memory, and empty at each start")


def _passed(check: Callable[[str], str]) -> Callable[[State, Instruction], None]:
    """An instruction that is written as ``check`` gives it back."""

    def write(state: State, line: Instruction) -> None:
        state.emit(f"{line.keyword} {check(line.rest)}", f"{line.keyword} {line.rest}")

    return write


_INSTRUCTIONS: dict[str, Callable[[State, Instruction], None]] = {
    "RUN": run,
    "COPY": copy,
    "ADD": copy,
    "WORKDIR": _passed(arguments.workdir),
    "ENV": _passed(arguments.env),
    "ARG": _argument,
    "USER": _passed(arguments.user),
    "EXPOSE": _expose,
    "CMD": _command,
    "ENTRYPOINT": _command,
    "SHELL": _shell,
    "VOLUME": _volume,
}
