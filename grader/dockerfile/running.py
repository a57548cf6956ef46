"""RUN: mounts that can be left out or copied, and heredocs as one command of the shell."""

from __future__ import annotations

import re

from grader.dockerfile import arguments
from grader.dockerfile.copying import PROJECT, in_project
from grader.dockerfile.lines import Heredoc, Instruction, words
from grader.dockerfile.plan import Refusal
from grader.dockerfile.state import SHELL, Command, Copied, State

NO_SECRETS = "Nothing secret is handed to a build. Leave the mount out."
_INTERPRETER = re.compile(r"#!\s*\S")


def run(state: State, line: Instruction) -> None:
    """Append the instructions that do what this RUN says."""
    flags, rest = arguments.split_flags(line.rest)
    for name, value in flags:
        match name:
            case "mount":
                _mount(state, value or "", line)
            case "network" if value in ("default", "none"):
                state.note(line.line, "RUN --network is ignored")
            case "network":
                raise Refusal(f"RUN --network={str(value)[:20]} is not allowed", "Leave it out.")
            case _:
                raise Refusal(f"RUN --{name[:30]} is not allowed", "Remove the flag.")
    if not rest:
        raise Refusal("RUN names no command", "Write RUN command.")
    bodies = "".join(heredoc.body for heredoc in line.heredocs)
    state.commands.append(Command(line.line, "RUN", text=f"{rest}\n{bodies}"))
    state.emit(f"RUN {_command(state, line, rest)}", f"RUN {line.rest}")


def _command(state: State, line: Instruction, rest: str) -> str:
    """What stands behind RUN.

    A list wherever a parser could see more in the line than a command.
    """
    shell = state.stage.shell
    if line.heredocs:
        return arguments.as_json(_script(rest, line.heredocs, shell))
    if rest.startswith("["):
        # ``[ -f x ] && y`` is a command of the shell; only a JSON list is an exec form.
        try:
            return arguments.as_json(arguments.exec_form("RUN", rest))
        except Refusal:
            return arguments.as_json([*shell, rest])
    return arguments.as_json([*shell, rest]) if "<<" in rest or rest.endswith("\\") else rest


def _mount(state: State, value: str, line: Instruction) -> None:
    options = dict(part.partition("=")[::2] for part in value.split(",") if part)
    kind = options.get("type", "bind")
    if kind in ("cache", "tmpfs"):
        state.note(line.line, f"RUN --mount=type={kind} is ignored")
    elif kind in ("secret", "ssh"):
        raise Refusal(f"RUN --mount=type={kind} is not allowed", NO_SECRETS)
    elif kind == "bind":
        _bind(state, options, line)
    else:
        raise Refusal(
            f"RUN --mount=type={kind[:20]} is not allowed", "Allowed: cache, tmpfs and bind."
        )


def _bind(state: State, options: dict[str, str], line: Instruction) -> None:
    """A bind mount becomes a copy: the same files at the same place, which then stay in the
    image.
    """
    target = options.get("target") or options.get("dst") or options.get("destination") or ""
    source = options.get("source") or options.get("src") or "/"
    if not target or any(char in target + source for char in "\"'\\$*?[]<"):
        raise Refusal(
            "a bind mount needs a plain target", "Write --mount=type=bind,source=file,target=/file."
        )
    if "from" in options and not source.strip("/."):
        raise Refusal(
            "a bind mount of a whole stage is not allowed", "Name a source, or use COPY --from."
        )
    if "from" in options:
        given = f"--from={state.source_of(options['from'], 'RUN --mount=type=bind,from')} "
    else:
        given, source = "", in_project(source)
        state.copied.append(Copied(line.line, "RUN --mount", (source,)))
        source = f"{PROJECT}/{source}".rstrip("/")
    state.emit(f"COPY {given}{arguments.as_json([source, target])}")
    state.note(line.line, f"RUN --mount=type=bind is a copy here: {target[:80]} stays in the image")


def _script(rest: str, heredocs: tuple[Heredoc, ...], shell: list[str]) -> list[str]:
    """The command with the texts of its heredocs, as the shell reads them."""
    bare = len(heredocs) == 1 and len(words(rest)) == 1
    if bare and _INTERPRETER.match(heredocs[0].body):
        return [*SHELL, _with_interpreter(heredocs[0].body)]
    if bare:
        return [*shell, heredocs[0].body]
    return [
        *shell,
        "\n".join([rest, *(f"{heredoc.body}{heredoc.name}" for heredoc in heredocs), ""]),
    ]


def _with_interpreter(body: str) -> str:
    """A script that names its own interpreter is written to a file and run as one."""
    end = "SEATRIAL_END"
    while f"\n{end}\n" in f"\n{body}":
        end += "_"
    return f'f=$(mktemp) && cat > "$f" <<\'{end}\'\n{body}{end}\nchmod 700 "$f" && "$f"; s=$?; rm -f "$f"; exit "$s"'
