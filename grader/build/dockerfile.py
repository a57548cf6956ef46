"""The learner's Dockerfile, read by a strict grammar and written anew.

The daemon never parses the learner's bytes: what this grammar does not understand is refused, and what it understands
is serialised again, so that no two parsers can differ over it. Base names become image ids that we hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.errors import DockerfileRefused

MAX_BYTES = 16 << 10
MAX_INSTRUCTIONS = 40
MAX_STAGES = 4
PASSED_ON = frozenset({"RUN", "COPY", "WORKDIR", "ENV", "ARG", "USER", "EXPOSE", "CMD", "ENTRYPOINT"})
DROPPED = frozenset({"LABEL", "MAINTAINER", "HEALTHCHECK", "STOPSIGNAL"})
"""Read as data and not passed on: they are harmless, and the lab decides about them."""
REFUSED = {
    "ADD": "ADD fetches addresses and unpacks archives. Use COPY.",
    "VOLUME": "Write to /tmp, or to /data where the lab offers it.",
    "SHELL": "Use RUN with the default shell, or call another shell in it.",
    "ONBUILD": "Write the instruction itself.",
}
_STAGE = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
_INSTRUCTION = re.compile(r"([A-Za-z]+)[ \t]+(.+)")
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(escape|syntax|check)[ \t]*=", re.IGNORECASE)
_COPY_FLAG = re.compile(r"--(from|chown)=([A-Za-z0-9_.:-]+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """The Dockerfile as the daemon gets it. ``dropped`` names instructions that were read and not passed on."""

    text: str
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
    bases: Mapping[str, str]
    labels: Mapping[str, str]
    out: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    stages: set[str] = field(default_factory=set)
    open_stage: str | None = None
    count: int = 0


def canonical(data: bytes, bases: Mapping[str, str], labels: Mapping[str, str]) -> Plan:
    """Check and rewrite a Dockerfile. ``bases``: allowed names to image ids. Raises DockerfileRefused with the line."""
    text = _text(data)
    state = _State(bases, labels)
    instructions = _instructions(text)
    if len(instructions) > MAX_INSTRUCTIONS:
        raise _refused(0, f"it has more than {MAX_INSTRUCTIONS} instructions", "Join RUN lines with &&.")
    for line, instruction in instructions:
        _one(state, line, instruction)
    if not state.count:
        raise _refused(0, "it has no FROM", f"Begin with FROM {_names(bases)}.")
    return Plan("\n".join(state.out) + "\n", tuple(state.dropped))


def _refused(line: int, what: str, advice: str) -> DockerfileRefused:
    where = f"Dockerfile line {line}: " if line else "Dockerfile: "
    return DockerfileRefused(where + what + ".", advice)


def _names(bases: Mapping[str, str]) -> str:
    return " or ".join(sorted(bases))


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _refused(0, f"it is larger than {MAX_BYTES >> 10} KiB", "Move long scripts into files of the project.")
    text = data.replace(b"\r\n", b"\n").decode("utf-8", "replace")
    bad = re.search(r"[^\n\t\x20-\x7e]", text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        what = f"it holds the character U+{ord(bad.group()):04X}"
        raise _refused(line, what, "Only printable ASCII is allowed; retype the line, comments included.")
    for number, line_text in enumerate(text.split("\n"), 1):
        if _DIRECTIVE.match(line_text):
            raise _refused(number, "parser directives are not allowed", "Remove the line; the default syntax is used.")
    return text


def _instructions(text: str) -> list[tuple[int, str]]:
    """(line number, instruction) with continuations joined by a space, so that no keyword can be split."""
    found: list[tuple[int, str]] = []
    started = 0
    parts: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t")
        if not parts:
            if not line or line.startswith("#"):
                continue
            started = number
        elif not line or line.startswith("#"):
            raise _refused(number, "a blank or comment line stands inside a continuation", "Remove the line.")
        if line.endswith("\\"):
            if raw != raw.rstrip(" \t"):
                raise _refused(number, "a space follows the backslash", "Remove the space at the end of the line.")
            parts.append(line[:-1].strip(" \t"))
            continue
        found.append((started, " ".join([*parts, line]).strip()))
        parts = []
    if parts:
        raise _refused(started, "it ends in the middle of a continuation", "Remove the last backslash.")
    return found


def _one(state: _State, line: int, instruction: str) -> None:
    match = _INSTRUCTION.fullmatch(instruction)
    if match is None:
        raise _refused(line, f"{instruction[:40]!r} is not an instruction", "Write KEYWORD arguments.")
    keyword, rest = match.group(1).upper(), match.group(2).strip()
    if keyword in REFUSED:
        raise _refused(line, f"{keyword} is not allowed", REFUSED[keyword])
    if keyword in DROPPED:
        state.dropped.append(keyword)
        return
    if keyword == "FROM":
        _from(state, line, rest)
        return
    if keyword not in PASSED_ON:
        raise _refused(line, f"{keyword[:20]} is not allowed", f"Allowed: FROM, {', '.join(sorted(PASSED_ON))}.")
    if not state.count:
        raise _refused(line, f"{keyword} stands before FROM", f"Begin with FROM {_names(state.bases)}.")
    if "<<" in rest and keyword in ("RUN", "COPY"):
        raise _refused(line, "heredocs are not allowed", "Put the text into a file of the project and COPY it.")
    if keyword == "RUN" and rest.startswith("--"):
        raise _refused(line, "RUN takes no flags here", "Remove the flag; builds have no cache mounts and no network.")
    if keyword == "COPY":
        _copy(state, line, rest)
    if keyword in ("CMD", "ENTRYPOINT") and rest.startswith("["):
        _exec_form(line, keyword, rest)
    state.out.append(f"{keyword} {rest}")


def _from(state: _State, line: int, rest: str) -> None:
    # A stage can be used only after its own block; else the daemon would look for an image of that name.
    if state.open_stage:
        state.stages.add(state.open_stage)
    state.count += 1
    if state.count > MAX_STAGES:
        raise _refused(line, f"it has more than {MAX_STAGES} stages", "Join stages.")
    words = rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise _refused(line, "FROM takes an image and, at most, AS name", "Write FROM image or FROM image AS name.")
    if words[0] in state.stages:
        source = words[0]
    elif words[0] in state.bases:
        source = state.bases[words[0]]
    else:
        raise _refused(line, f"the base image {words[0][:60]!r} is not on the list", f"Use {_names(state.bases)}.")
    name = words[2] if len(words) == 3 else None
    if name is not None and (
        not _STAGE.fullmatch(name) or name in state.stages or name in state.bases or name == "scratch"
    ):
        raise _refused(line, f"{name[:40]!r} can't be the name of a stage", "Use a new name in lower-case letters.")
    state.open_stage = name
    state.out.append(f"FROM {source}" + (f" AS {name}" if name else ""))
    # Our own labels, or intermediate containers and failed images would carry none.
    state.out.append("LABEL " + " ".join(f"{key}={json.dumps(value)}" for key, value in state.labels.items()))


def _copy(state: _State, line: int, rest: str) -> None:
    words = rest.split()
    while words and words[0].startswith("--"):
        flag = words.pop(0)
        match = _COPY_FLAG.fullmatch(flag)
        if match is None:
            raise _refused(line, f"COPY {flag[:30]} is not allowed", "Allowed: --from=STAGE and --chown=UID:GID.")
        if match.group(1) == "from" and match.group(2) not in state.stages:
            raise _refused(line, f"COPY --from={match.group(2)[:40]} is not an earlier stage", "Name one with AS.")
    remaining = " ".join(words)
    try:
        listed = json.loads(remaining) if remaining.startswith("[") else words
    except ValueError:
        listed = words
    if not isinstance(listed, list) or len(listed) < 2:
        raise _refused(line, "COPY needs a source and a destination", "Write COPY source destination.")


def _exec_form(line: int, keyword: str, rest: str) -> None:
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        advice = f'Write {keyword} ["program", "argument"] with double quotes.'
        raise _refused(line, f"the exec form of {keyword} is not a JSON list of strings", advice)
