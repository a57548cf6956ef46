"""COPY and ADD: local sources, stages and allowed images; modes are set by a step of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from grader.dockerfile import arguments
from grader.dockerfile.lines import Heredoc, Instruction
from grader.dockerfile.plan import Refusal
from grader.dockerfile.state import State

ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst|lzma)|tgz|tbz2?|txz|zip)$", re.IGNORECASE)
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
FOLDER = ".seatrial"
"""Files of ours in the build context. Nothing of the learner's may stand there."""


def copy(state: State, line: Instruction) -> None:
    """Append the instructions that do what this COPY or ADD says."""
    flags, rest = arguments.split_flags(line.rest)
    wanted = _flags(state, line.keyword, flags)
    listed = arguments.paths(line.keyword, rest)
    target = listed[-1]
    sources = [_source(state, source, line) for source in listed[:-1]]
    if line.keyword == "ADD":
        _only_local(sources, wanted)
    state.copied.append((line.line, line.keyword, [] if wanted.get("from") else sources))
    given = "".join(f"--{name}={wanted[name]} " for name in ("from", "chown") if name in wanted)
    state.emit(f"COPY {given}{arguments.as_json([*sources, target])}")
    if "chmod" in wanted:
        _chmod(state, wanted["chmod"], sources, target)


def _flags(state: State, keyword: str, flags: list[tuple[str, str | None]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in flags:
        if name in found:
            raise Refusal(f"--{name} stands twice", "Remove one of them.")
        match name:
            case "from" if keyword == "COPY":
                found["from"] = state.source_of(value or "")
            case "chown":
                found["chown"] = arguments.owner(value)
            case "chmod":
                found["chmod"] = arguments.mode(value)
            case "link":
                state.note(f"{keyword} --link is ignored: the files are copied")
            case _:
                advice = "Allowed: --from, --chown, --chmod and --link." if keyword == "COPY" else "Use COPY."
                raise Refusal(f"{keyword} --{name[:30]} is not allowed", advice)
    return found


def _source(state: State, source: str, line: Instruction) -> str:
    """A path, or the file in the context that a heredoc becomes."""
    match = re.fullmatch(r"<<-?[\"']?([A-Za-z0-9_.-]+)[\"']?", source)
    if match is None:
        if PurePosixPath("/", source).parts[1:2] == (FOLDER,):
            raise Refusal(f"{source[:60]!r} is a folder of Seatrial", "Give your folder another name.")
        return source
    heredoc = next((h for h in line.heredocs if h.name == match[1]), None)
    if heredoc is None:
        raise Refusal(f"the heredoc {match[1][:30]} has no text", "Write its lines below the instruction.")
    return _written(state, heredoc)


def _written(state: State, heredoc: Heredoc) -> str:
    if not heredoc.quoted and "$" in heredoc.body:
        advice = f"Quote the word after << so that the text is taken as it stands: <<'{heredoc.name}'."
        raise Refusal("variables inside a heredoc of COPY are not expanded here", advice)
    path = f"{FOLDER}/heredoc-{len(state.files)}/{heredoc.name}"
    state.files[path] = heredoc.body.encode()
    return path


def _only_local(sources: list[str], wanted: dict[str, str]) -> None:
    for source in sources:
        if REMOTE.match(source):
            raise Refusal(
                f"ADD of an address ({source[:60]})", "Fetch packages in a RUN; put other files into the project."
            )
        if ARCHIVE.search(source):
            raise Refusal(f"ADD would unpack {source[:60]}", "COPY the archive and unpack it in a RUN.")
    wanted.pop("from", None)


SET_MODE = 'm=$1; d=$2; shift 2; for b; do t=$d; [ -e "$d/$b" ] && t=$d/$b; chmod -R "$m" "$t" || exit 1; done'


def _chmod(state: State, mode: str, sources: list[str], target: str) -> None:
    """Engines without BuildKit know no --chmod: a step sets the mode, as root, whoever the user is."""
    names = [source.rstrip("/").rsplit("/", 1)[-1] for source in sources]
    if any("$" in text or "*" in text or "?" in text for text in [*names, target]):
        raise Refusal("--chmod with a variable or a pattern is not allowed", "Name the files, or RUN chmod.")
    command = arguments.as_json(["/bin/sh", "-c", SET_MODE, "chmod", mode, target, *names])
    as_root(state, lambda: state.emit(f"RUN {command}"))
    state.note("COPY --chmod is done by a step of its own")


def as_root(state: State, step: Callable[[], None]) -> None:
    """Do ``step`` as root, and give the stage its user back."""
    user = state.user
    if user not in ("", "0", "root", "0:0", "root:root"):
        state.emit("USER 0:0")
        step()
        state.emit(f"USER {user}")
    else:
        step()
