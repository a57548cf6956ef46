"""Scripts that the image runs and that have Windows line ends.

The kernel takes ``#!/bin/sh\\r`` for the name of the interpreter and says "no such file or
directory"; a shell stumbles over the first ``\\r``. Neither message names the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from grader.dockerfile.plan import Fault
from grader.dockerfile.state import Command

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_SPLIT = re.compile(r"[;&|\n()]+")
_MENDED = re.compile(r"dos2unix|\\r")


def windows_scripts(
    files: Mapping[PurePosixPath, bytes], commands: Iterable[Command]
) -> list[Fault]:
    """A fault for each script that is started by its name or by a shell, at the line that does
    so.
    """
    commands = list(commands)
    if any(_MENDED.search(command.text) for command in commands):
        return []
    suspects = {path.name: path for path, data in files.items() if _has_windows_ends(data)}
    faults = {}
    for command in commands:
        for name in _started(command):
            if name in suspects:
                faults[suspects[name]] = _fault(command.line, suspects[name])
    return list(faults.values())


def _has_windows_ends(data: bytes) -> bool:
    first = data[:4096].split(b"\n", 1)[0]
    return first.endswith(b"\r") and b"\0" not in data[:4096]


def _started(command: Command) -> Iterator[str]:
    """Names of files that the command runs itself or hands to a shell."""
    listed = (
        [list(command.words)]
        if command.words
        else [part.split() for part in _SPLIT.split(command.text)]
    )
    for words in listed:
        plain = [word.strip("\"'") for word in words if "=" not in word or command.words]
        while plain and plain[0] in ("exec", "env", "time", "if", "then", "do", "!"):
            plain = plain[1:]
        if not plain:
            continue
        first = plain[0].rsplit("/", 1)[-1]
        if "/" in plain[0] or first.endswith(".sh") or command.words:
            yield first
        if first in (*_SHELLS, ".", "source", "tini", "dumb-init"):
            rest = [word for word in plain[1:] if not word.startswith("-")]
            if rest and rest[0] in _SHELLS:
                rest = rest[1:]
            if rest:
                yield rest[0].rsplit("/", 1)[-1]


def _fault(line: int, path: PurePosixPath) -> Fault:
    what = f"the script {str(path)[:80]!r} has Windows line ends (CRLF) and can't run"
    return Fault(line, what, "Save it with LF, or put '*.sh text eol=lf' into .gitattributes.")
