"""All that is wrong with a project before anything is built: its Dockerfile, and the files that it
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from grader.dockerfile.archives import is_archive
from grader.dockerfile.bases import Bases
from grader.dockerfile.copying import UNPACK
from grader.dockerfile.globs import matches, segment
from grader.dockerfile.ignore import keep
from grader.dockerfile.plan import Fault, refused
from grader.dockerfile.rewrite import read
from grader.dockerfile.scripts import windows_scripts
from grader.dockerfile.state import Copied

NAME = PurePosixPath("Dockerfile")
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
ALIKE = ("dockerfile", "dockerfile.txt", "containerfile")
_PATTERN = frozenset("*?[")


def check(files: Mapping[PurePosixPath, bytes], bases: Bases) -> None:
    """Raise DockerfileRefused with every fault that can be seen without a build."""
    if faults := lint(files, bases):
        raise refused(faults)


def lint(files: Mapping[PurePosixPath, bytes], bases: Bases) -> list[Fault]:
    """Every fault that can be seen without a build, by line.

    ``files``: the project as it was handed in.
    """
    data = files.get(NAME)
    if data is None:
        return [missing(files)]
    state, faults = read(data, bases, {})
    kept = keep(sorted(files, key=str), files.get(PurePosixPath(".dockerignore")))
    for copied in state.copied:
        faults += _sources(copied, kept, files)
    faults += windows_scripts(files, state.commands)
    return sorted(faults, key=lambda fault: fault.line)


def missing(files: Iterable[PurePosixPath]) -> Fault:
    """There is no Dockerfile at the root: what there is instead."""
    what = "There is no Dockerfile at the root of the project"
    alike = [
        p for p in files if p.name.lower() in ALIKE or p.name.lower().startswith("dockerfile.")
    ]
    if alike:
        found = min(
            alike, key=lambda path: (len(path.parts), path.name.lower() not in ALIKE, str(path))
        )
        advice = (
            f"There is one at {str(found)!r}. Put a file named Dockerfile at the top of the "
            "project."
        )
        return Fault(0, what, advice, about="")
    if any(p.name in COMPOSE for p in files):
        advice = (
            "Compose files are not read; databases come from the lab. Write a Dockerfile for your "
            "service alone."
        )
        return Fault(0, what, advice, about="")
    return Fault(
        0,
        what,
        "Pack the project's folder itself, with its Dockerfile, as the starter does.",
        about="",
    )


def _sources(
    copied: Copied, kept: list[PurePosixPath], files: Mapping[PurePosixPath, bytes]
) -> list[Fault]:
    """What one COPY, ADD or bind mount names and the project lacks, and what ADD would unpack."""
    if any("$" in source for source in copied.sources):
        return []
    taken = {source: _taken(source, kept) for source in copied.sources}
    faults = [
        _absent(copied, s, files)
        for s, paths in taken.items()
        if not paths and not _PATTERN & set(s)
    ]
    if (
        taken and not faults and not any(taken.values())
    ):  # a pattern may match nothing beside others
        faults = [_absent(copied, next(iter(taken)), files)]
    if copied.keyword == "ADD":
        for source, paths in taken.items():
            found = next(
                (
                    p
                    for p in paths
                    if len(p.parts) == source.count("/") + 1 and is_archive(files[p])
                ),
                None,
            )
            if found:
                faults.append(Fault(copied.line, f"ADD would unpack {str(found)[:60]!r}", UNPACK))
    return faults


def _taken(source: str, kept: list[PurePosixPath]) -> list[PurePosixPath]:
    """The files that a source names, or that stand in folders that it names."""
    if not source:
        return kept or [NAME]
    tests = [segment(part) for part in source.split("/")]
    return [path for path in kept if matches(tests, path.parts[: len(tests)])]


def _absent(copied: Copied, source: str, files: Iterable[PurePosixPath]) -> Fault:
    wanted = PurePosixPath(source).name.lower()
    near = next((str(p) for p in sorted(files, key=str) if p.name.lower() == wanted), "")
    if PurePosixPath(source) in files:
        advice = "It is listed in .dockerignore: take it out there."
    elif near:
        advice = (
            f"There is {near!r}. Paths count from the root of the project; capital letters matter."
        )
    else:
        advice = "Paths count from the root of the project. Is the file in the archive?"
    return Fault(
        copied.line,
        f"{copied.keyword} {source[:80]!r}: there is no such file in the project",
        advice,
    )
