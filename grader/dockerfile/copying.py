"""COPY and ADD: sources in the project, in earlier stages and in allowed images."""

from __future__ import annotations

import re

from grader.dockerfile import arguments
from grader.dockerfile.globs import BadPattern, segment
from grader.dockerfile.lines import Heredoc, Instruction
from grader.dockerfile.plan import ModeCopy, Refusal
from grader.dockerfile.state import Copied, State

PROJECT = "project"
"""The folder of the context that holds the learner's project: beside it stand files of ours, and no
name of the learner's can clash with them."""
OURS = "seatrial"
ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst|lzma)|tgz|tbz2?|txz)$", re.IGNORECASE)
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
UNPACK = "COPY the archive and unpack it in a RUN."


def copy(state: State, line: Instruction) -> None:
    """Append the instructions that do what this COPY or ADD says."""
    flags, rest = arguments.split_flags(line.rest)
    wanted = _flags(state, line, flags)
    listed = arguments.paths(line.keyword, rest)
    *sources, target = listed
    if line.keyword == "ADD":
        _only_local(sources)
    if (
        len(sources) > 1
        and not target.endswith(("/", "/."))
        and target != "."
        and "$" not in target
    ):
        raise Refusal(
            f"{line.keyword} of several files needs a folder", f"Write {target[:60]}/ at its end."
        )
    if target.startswith("<<"):
        raise Refusal(
            f"{line.keyword} has no destination", f"Write {line.keyword} source destination."
        )
    if "from" in wanted:
        wanted["from"], taken = _from_elsewhere(state, wanted, sources)
    else:
        taken = _from_project(state, line, sources, wanted.get("chmod"))
    given = "".join(f"--{name}={wanted[name]} " for name in ("from", "chown") if name in wanted)
    state.emit(f"COPY {given}{arguments.as_json([*taken, target])}", f"{line.keyword} {line.rest}")


def _flags(state: State, line: Instruction, flags: list[tuple[str, str | None]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in flags:
        if name in found:
            raise Refusal(f"--{name} stands twice", "Remove one of them.")
        match name:
            case "from" if line.keyword == "COPY":
                found["from"] = state.source_of(value or "")
            case "chown":
                found["chown"] = arguments.owner(value)
            case "chmod":
                found["chmod"] = arguments.mode(value)
            case "link":
                state.note(line.line, f"{line.keyword} --link is ignored: the files are copied")
            case _:
                advice = "Allowed: --from, --chown, --chmod and --link."
                raise Refusal(f"{line.keyword} --{name[:30]} is not allowed", advice)
    return found


def in_project(source: str) -> str:
    """A source as a path from the root of the project; empty for the whole of it.

    Raises Refusal.
    """
    parts: list[str] = []
    for part in source.split("/"):
        if part == "..":
            if not parts or "$" in source:
                advice = "Everything that a build needs stands in the project's folder."
                raise Refusal(f"{source[:80]!r} leads out of the project", advice)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    for part in parts:
        try:
            segment(part)
        except BadPattern:
            raise Refusal(f"{source[:80]!r} is not a pattern", "Close the bracket.") from None
    return "/".join(parts)


def _from_project(
    state: State, line: Instruction, sources: list[str], mode: str | None
) -> list[str]:
    """What the daemon has to take for ``sources``."""
    folder, heredocs = PROJECT, iter(line.heredocs)
    named = [source if source.startswith("<<") else in_project(source) for source in sources]
    plain = tuple(source for source in named if not source.startswith("<<"))
    state.copied.append(Copied(line.line, line.keyword, plain))
    if mode is not None and plain:
        if any("$" in source for source in plain):
            raise Refusal(
                "--chmod with a variable in a source is not allowed",
                "Name the files, or RUN chmod.",
            )
        folder = f"{OURS}/mode-{len(state.modes)}"
        state.modes.append(ModeCopy(folder, int(mode, 8), plain))
    return [
        _written(state, next(heredocs, None), mode)
        if source.startswith("<<")
        else f"{folder}/{source}".rstrip("/")
        for source in named
    ]


def _written(state: State, heredoc: Heredoc | None, mode: str | None) -> str:
    """The file in the context that a heredoc becomes."""
    if heredoc is None:
        raise Refusal("the heredoc has no text", "Write its lines below the instruction.")
    if not heredoc.quoted and ("$" in heredoc.body or "\\" in heredoc.body):
        advice = (
            f"Quote the word after << so that the text is taken as it stands: <<'{heredoc.name}'."
        )
        raise Refusal("variables inside a heredoc of COPY are not expanded here", advice)
    if heredoc.name.strip(".") == "":
        raise Refusal(f"{heredoc.name!r} can't be the name of a heredoc", "Use a word such as EOF.")
    path = f"{OURS}/text-{len(state.files)}/{heredoc.name}"
    state.files[path] = (heredoc.body.encode(), int(mode or "644", 8))
    return path


def _from_elsewhere(
    state: State, wanted: dict[str, str], sources: list[str]
) -> tuple[str, list[str]]:
    """The stage or image to copy from. A mode is set in a stage of ours on top of it, as root."""
    if "chmod" not in wanted:
        return wanted["from"], sources
    if any(char in source for source in sources for char in "*?[$") or any(
        ".." in s.split("/") for s in sources
    ):
        advice = "Name the files, or set the mode in the stage they come from."
        raise Refusal("COPY --from with --chmod takes no patterns and no variables", advice)
    paths = ["/" + source.lstrip("/") for source in sources]
    change = arguments.as_json(["chmod", "-R", wanted["chmod"], "--", *paths])
    return state.stage_before(wanted["from"], ["USER 0:0", f"RUN {change}"]), paths


def _only_local(sources: list[str]) -> None:
    for source in sources:
        if REMOTE.match(source):
            advice = "Fetch packages in a RUN; put other files into the project."
            raise Refusal(f"ADD of an address ({source[:60]}) is not allowed", advice)
        if ARCHIVE.search(source):
            raise Refusal(f"ADD would unpack {source[:60]}", UNPACK)
