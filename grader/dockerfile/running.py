"""RUN: mounts that can be left out or copied, and heredocs as one command of the shell."""

from __future__ import annotations

import re

from grader.dockerfile import arguments
from grader.dockerfile.lines import Heredoc, Instruction, words
from grader.dockerfile.plan import Refusal
from grader.dockerfile.state import State

SECRET = "Nothing secret is handed to a build. Leave the mount out."  # noqa: S105  a message
_INTERPRETER = re.compile(r"#!\s*\S")


def run(state: State, line: Instruction) -> None:
    """Append the instructions that do what this RUN says."""
    flags, rest = arguments.split_flags(line.rest)
    for name, value in flags:
        match name:
            case "mount":
                _mount(state, value or "", line)
            case "network" if value in ("default", "none", None):
                state.note(f"line {line.line}: RUN --network is ignored")
            case "network":
                raise Refusal(f"RUN --network={str(value)[:20]} is not allowed", "Leave it out.")
            case _:
                raise Refusal(f"RUN --{name[:30]} is not allowed", "Remove the flag.")
    if not rest:
        raise Refusal("RUN names no command", "Write RUN command.")
    state.commands.append(rest)
    if line.heredocs:
        script = _script(rest, line.heredocs)
        state.emit(f"RUN {arguments.as_json([*state.stage.shell, script])}")
    elif rest.startswith("["):
        _exec_or_shell(state, rest)
    else:
        state.emit(f"RUN {rest}")


def _exec_or_shell(state: State, rest: str) -> None:
    """``[ -f x ] && y`` is a command of the shell; only a JSON list is an exec form. What we write is one for sure."""
    try:
        listed = arguments.exec_form("RUN", rest)
    except Refusal:
        listed = [*state.stage.shell, rest]
    state.emit(f"RUN {arguments.as_json(listed)}")


def _mount(state: State, value: str, line: Instruction) -> None:
    options = dict(part.partition("=")[::2] for part in value.split(",") if part)
    kind = options.get("type", "bind")
    if kind in ("cache", "tmpfs"):
        state.note(f"line {line.line}: RUN --mount=type={kind} is ignored")
        return
    if kind in ("secret", "ssh"):
        raise Refusal(f"RUN --mount=type={kind} is not allowed", SECRET)
    if kind != "bind":
        raise Refusal(f"RUN --mount=type={kind[:20]} is not allowed", "Allowed: cache, tmpfs and bind.")
    _bind(state, options, line)


def _bind(state: State, options: dict[str, str], line: Instruction) -> None:
    """A bind mount becomes a copy: the same files at the same place, which then stay in the image."""
    target = options.get("target") or options.get("dst") or options.get("destination") or ""
    source = options.get("source") or options.get("src") or ("." if "from" not in options else "/")
    if not target or any(char in target + source for char in "\"'\\$*?[]"):
        raise Refusal("a bind mount needs a plain target", "Write --mount=type=bind,source=file,target=/file.")
    if "from" in options and source == "/":
        raise Refusal("a bind mount of a whole stage is not allowed", "Name a source, or use COPY --from.")
    given = f"--from={state.source_of(options['from'])} " if "from" in options else ""
    if not given:
        source = source.lstrip("/") or "."
        state.copied.append((line.line, "RUN --mount", [source]))
    state.emit(f"COPY {given}{arguments.as_json([source, target])}")
    state.note(f"line {line.line}: RUN --mount=type=bind is a copy here, and {target[:80]} stays in the image")


def _script(rest: str, heredocs: tuple[Heredoc, ...]) -> str:
    """The command with the texts of its heredocs, as a shell reads them."""
    bare = len(heredocs) == 1 and len(words(rest)) == 1
    if bare and _INTERPRETER.match(heredocs[0].body):
        return _with_interpreter(heredocs[0].body)
    if bare:
        return heredocs[0].body
    command = rest.replace("<<-", "<<")  # tabs at the beginning of lines are gone already
    return "\n".join([command, *(f"{heredoc.body}{heredoc.name}" for heredoc in heredocs), ""])


def _with_interpreter(body: str) -> str:
    """A script that names its own interpreter is written to a file and run as one."""
    end = "SEATRIAL_END"
    while f"\n{end}\n" in f"\n{body}":
        end += "_"
    return f'f=$(mktemp) && cat > "$f" <<\'{end}\'\n{body}{end}\nchmod 700 "$f" && "$f"; s=$?; rm -f "$f"; exit "$s"'
