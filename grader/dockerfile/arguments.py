"""Arguments of single instructions: flags, exec forms, pairs. Each function raises Refusal."""

from __future__ import annotations

import json
import re

from grader.dockerfile.lines import words
from grader.dockerfile.plan import Refusal
from grader.dockerfile.variables import NAME

MAX_FLAGS = 20
MAX_PORT = 65535
_FLAG = re.compile(r"--([a-z][a-z.-]*)(?:=(\S*))?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(/(tcp|udp|sctp))?", re.ASCII | re.IGNORECASE)
_BRACED = re.compile(rf"\\\\.|'[^']*'|\$\{{(?:{NAME}(?::[-+?][^}}]*)?\}})?")
_USER = re.compile(r"[A-Za-z0-9_.${}:-]{1,100}")
_OWNER = re.compile(r"[A-Za-z0-9_.${}-]{1,60}(:[A-Za-z0-9_.${}-]{1,60})?")
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MODE = re.compile(r"0?[0-7]{3}")
_PATH = re.compile(r"/[A-Za-z0-9_./@+-]{0,200}")


def split_flags(rest: str) -> tuple[list[tuple[str, str | None]], str]:
    """The flags at the beginning, and what stands behind them.

    A flag without ``=`` has the value None.
    """
    flags: list[tuple[str, str | None]] = []
    while rest.startswith("--"):
        word, *behind = re.split(r"[ \t]+", rest, maxsplit=1)
        match = _FLAG.fullmatch(word)
        if match is None:
            raise Refusal(f"{word[:60]!r} is not a flag", "Write --name=value.")
        if len(flags) == MAX_FLAGS:
            raise Refusal("it has too many flags", "Split the instruction.")
        flags.append((match[1], match[2]))
        rest = behind[0] if behind else ""
    return flags, rest


def exec_form(keyword: str, rest: str) -> list[str]:
    """The list of an exec form."""
    try:
        listed = json.loads(rest)
    except (ValueError, RecursionError):
        listed = None
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(word, str) for word in listed)
    ):
        what = f"the exec form of {keyword} is not a JSON list of strings"
        raise Refusal(what, f'Write {keyword} ["program", "argument"] with double quotes.')
    if any(_UNSPEAKABLE.search(word) for word in listed):
        raise Refusal(f"{keyword} holds a control character", "Remove it; \\n and \\t are fine.")
    return listed


def as_json(listed: list[str]) -> str:
    """A JSON list in ASCII: what the daemon reads is what was checked."""
    return json.dumps(listed)


def sound_variables(rest: str) -> None:
    """Raise Refusal for a ``${`` that the engine would stumble over."""
    for match in _BRACED.finditer(rest):
        if match[0].startswith("${") and not match[0].endswith("}"):
            what = f"{rest[match.start() : match.start() + 40]!r} is not a variable"
            raise Refusal(what, "Write ${NAME} or ${NAME:-default}; a plain dollar sign is \\$.")


def env(rest: str) -> str:
    """``NAME=value ...`` or the old ``NAME value``."""
    sound_variables(rest)
    pairs = _words("ENV", rest)
    if not pairs:
        raise Refusal("ENV names nothing", "Write ENV NAME=value.")
    if "=" not in pairs[0]:
        if len(pairs) < 2 or not _ENV_NAME.fullmatch(pairs[0]):
            raise Refusal(f"ENV {pairs[0][:40]} has no value", "Write ENV NAME=value.")
        return rest
    for pair in pairs:
        name, equals, _ = pair.partition("=")
        if not equals or not _ENV_NAME.fullmatch(name):
            advice = (
                'Write ENV NAME=value for each; a value with spaces stands in quotes: NAME="a b".'
            )
            raise Refusal(f"ENV {pair[:40]!r} is not NAME=value", advice)
    return " ".join(pairs)


def arg(rest: str) -> list[tuple[str, str | None]]:
    """(name, default as written) of each argument."""
    sound_variables(rest)
    found = []
    for word in _words("ARG", rest):
        name, equals, value = word.partition("=")
        if not re.fullmatch(NAME, name):
            raise Refusal(
                f"ARG {word[:40]!r} is not NAME or NAME=default", "Write ARG NAME=default."
            )
        found.append((name, value if equals else None))
    if not found:
        raise Refusal("ARG names nothing", "Write ARG NAME=default.")
    return found


def unquoted(value: str) -> str:
    """An ARG's default without its quotes."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def quoted(value: str) -> str:
    """A value that holds no variable and no backslash, as ARG takes it."""
    return (
        value
        if re.fullmatch(r"[A-Za-z0-9_./:@+-]*", value)
        else '"' + value.replace('"', '\\"') + '"'
    )


def expose(rest: str) -> None:
    """Raises Refusal for what is no port. Ports in variables are not known here."""
    ports = rest.split()
    for port in ports:
        match = _PORT.fullmatch(port)
        sound = match and int(match[1]) <= int(match[2] or match[1]) <= MAX_PORT
        if "$" not in port and not sound:
            raise Refusal(
                f"EXPOSE {port[:40]} is not a port",
                "Write EXPOSE 8080; it changes nothing, $PORT decides.",
            )
    if not ports:
        raise Refusal("EXPOSE names no port", "Remove it: $PORT decides.")


def user(rest: str) -> str:
    sound_variables(rest)
    if not _USER.fullmatch(rest):
        raise Refusal(f"USER {rest[:40]!r} is not a user", "Write USER name, or USER 10001:10001.")
    return rest


def workdir(rest: str) -> str:
    if not rest:
        raise Refusal("WORKDIR names no folder", "Write WORKDIR /srv.")
    sound_variables(rest)
    _words("WORKDIR", rest)
    return rest


def shell_or_exec(keyword: str, rest: str) -> str:
    """CMD and ENTRYPOINT.

    A line that begins with a bracket has to be JSON: the shell would run it otherwise.
    """
    if rest.startswith("["):
        # An empty list takes back what the base image says.
        return (
            "[]"
            if rest[1:-1].strip(" \t") == "" and rest[-1] == "]"
            else as_json(exec_form(keyword, rest))
        )
    if not rest:
        raise Refusal(f"{keyword} names no command", f'Write {keyword} ["program", "argument"].')
    return rest


def owner(value: str | None) -> str:
    if value is None or not _OWNER.fullmatch(value):
        raise Refusal(
            f"--chown={str(value)[:40]} is not allowed", "Write --chown=USER or --chown=UID:GID."
        )
    sound_variables(value)
    return value


def mode(value: str | None) -> str:
    """Three octal digits: nothing with setuid, setgid or the sticky bit."""
    if value is None or not _MODE.fullmatch(value):
        advice = "Write three octal digits such as --chmod=755; setuid and setgid are not allowed."
        raise Refusal(f"--chmod={str(value)[:40]} is not allowed", advice)
    return value[-3:]


def volume_paths(rest: str) -> list[str]:
    paths = exec_form("VOLUME", rest) if rest.startswith("[") else _words("VOLUME", rest)
    for path in paths:
        clean = path.strip("\"'")
        if not _PATH.fullmatch(clean) or clean.strip("/") == "" or ".." in clean.split("/"):
            raise Refusal(
                f"VOLUME {path[:60]!r} is not an absolute folder", "Write VOLUME /folder."
            )
    if not paths or len(paths) > 8:
        raise Refusal("VOLUME takes one to eight folders", "Write VOLUME /folder.")
    return [path.strip("\"'") for path in paths]


def paths(keyword: str, rest: str) -> list[str]:
    """Sources and the destination of COPY and ADD, without their quotes."""
    sound_variables(rest)
    listed = exec_form(keyword, rest) if rest.startswith("[") else _words(keyword, rest)
    if any(char in word for word in listed if not word.startswith("<<") for char in "\"'\\"):
        raise Refusal(
            f"{keyword} has a quote or a backslash in a path",
            f'Write {keyword} ["a b", "/c"] for spaces.',
        )
    if len(listed) < 2 or not all(listed):
        raise Refusal(
            f"{keyword} needs a source and a destination", f"Write {keyword} source destination."
        )
    return listed


def _words(keyword: str, rest: str) -> list[str]:
    try:
        return words(rest)
    except ValueError:
        raise Refusal(f"a quote in {keyword} is not closed", "Close it on the same line.") from None
