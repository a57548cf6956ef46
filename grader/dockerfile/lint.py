"""All that is wrong with a project before anything is built: its Dockerfile, and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from grader.dockerfile.bases import Bases
from grader.dockerfile.ignore import keep
from grader.dockerfile.plan import Fault
from grader.dockerfile.rewrite import read

NAME = PurePosixPath("Dockerfile")
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def lint(files: Mapping[PurePosixPath, bytes], bases: Bases) -> list[Fault]:
    """Every fault that can be seen without a build, by line. ``files``: the project as it was handed in."""
    data = files.get(NAME)
    if data is None:
        return [missing(files)]
    state, faults = read(data, bases, {})
    kept = keep(sorted(files, key=str), files.get(PurePosixPath(".dockerignore")))
    known = {PurePosixPath(*path.parts[:depth]) for path in kept for depth in range(len(path.parts) + 1)}
    for line, keyword, sources in state.copied:
        faults += [_absent(line, keyword, source, files) for source in sources if not _is_there(source, known)]
    faults += _carriage_returns(files, " ".join(state.commands))
    return sorted(faults, key=lambda fault: fault.line)


def missing(files: Iterable[PurePosixPath]) -> Fault:
    """There is no Dockerfile at the root: what there is instead."""
    what = "there is none at the root of the project"
    alike = [p for p in files if p.name.lower() in ("dockerfile", "dockerfile.txt", "containerfile")]
    if alike:
        found = min(alike, key=lambda path: (len(path.parts), str(path)))
        return Fault(
            0, f"{what}; there is one at {str(found)!r}", "Put a file named Dockerfile at the top of the project."
        )
    if any(len(p.parts) == 1 and p.name in COMPOSE for p in files):
        advice = "Compose files are not read: databases come from the lab. Write a Dockerfile for your service alone."
        return Fault(0, what, advice)
    return Fault(0, what, "Pack the project's folder itself, with its Dockerfile, as the starter does.")


def _is_there(source: str, known: set[PurePosixPath]) -> bool:
    if "$" in source or source.startswith(".seatrial/"):
        return True
    path = source.lstrip("/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        return False
    if not any(char in path for char in "*?["):
        return PurePosixPath(*parts) in known
    patterns = [_pattern(part) for part in parts]
    return any(
        len(there.parts) == len(parts) and all(p.fullmatch(name) for p, name in zip(patterns, there.parts, strict=True))
        for there in known
    )


def _pattern(part: str) -> re.Pattern[str]:
    """One segment of a Go path pattern. Stars that stand together are one, so that matching stays quick."""
    text = re.sub(r"\*+", "*", part)
    if text.count("*") > 4:
        return re.compile(r".*", re.DOTALL)
    pieces = [".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text]
    return re.compile("".join(pieces), re.DOTALL) if "[" not in text else re.compile(r".*", re.DOTALL)


def _absent(line: int, keyword: str, source: str, files: Iterable[PurePosixPath]) -> Fault:
    wanted = PurePosixPath(source.strip("/") or ".").name.lower()
    near = next((str(p) for p in files if p.name.lower() == wanted), "")
    if near and near == source.strip("/").removeprefix("./"):
        advice = "It is listed in .dockerignore: take it out there."
    elif near:
        advice = f"There is {near!r}. Paths count from the root of the project; capital letters matter."
    else:
        advice = "Paths count from the root of the project. Is the file in the archive?"
    return Fault(line, f"{keyword} {source[:80]!r}: there is no such file in the project", advice)


def _carriage_returns(files: Mapping[PurePosixPath, bytes], commands: str) -> list[Fault]:
    """Scripts that are run and have Windows line ends: the kernel looks for an interpreter named ``sh\\r``."""
    found = []
    for path, data in files.items():
        if data.startswith(b"#!") and data.split(b"\n", 1)[0].endswith(b"\r") and path.name in commands:
            what = (
                f"{str(path)[:80]!r} has Windows line ends and can't be run: its first line ends in a carriage return"
            )
            found.append(Fault(0, what, "Save it with LF line ends, or put '*.sh text eol=lf' into .gitattributes."))
    return found
