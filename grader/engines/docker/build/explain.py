"""What a failed build means, and what to do first. The engine's own words come last, if at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.dockerfile.copying import PROJECT
from grader.engines.docker.build.text import neutralise

MAX_SHOWN = 300
_EXIT = re.compile(
    r"The command '(?P<command>.*)' returned a non-zero code: (?P<code>\d+)", re.DOTALL
)
_SHELL = re.compile(r"^/bin/(?:ba)?sh -c ")
_NOT_FOUND = re.compile(
    r"(?:^|[:\s])(?:line \d+: |\d+: )?(?P<name>[\w.+/-]{1,60}): (?:command )?not found$"
)
_NO_FILE = re.compile(
    r"exec: \"(?P<name>[^\"]{1,80})\": (?:executable file not found|stat )|(?P<bad>exec format error)"
)
_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Temporary failure resolving|Could not resolve host|Name or service not known"
    r"|Network is unreachable|getaddrinfo (?:EAI_AGAIN|ENOTFOUND)|no such host|bad address '"
    r"|Failed to establish a new connection|dial tcp"
)
_APT_MISSING = re.compile(
    r"E: Unable to locate package (?P<name>\S{1,80})|E: Package '(?P<old>\S{1,80})' has no"
)
_PIP_MISSING = re.compile(
    r"No matching distribution found for (?P<name>.{1,80})"
    r"|Could not find a version that satisfies the requirement (?P<same>\S{1,80})"
    r"|Because (?P<uv>\S{1,80}) was not found in the package registry"
)
_NPM_MISSING = re.compile(
    r"npm (?:ERR!|error) 404\s+'?(?P<name>\S{1,80}?)'? is not in|npm (?:ERR!|error) code E404"
)
_COMPILER = re.compile(
    r"(?:unable to execute|error: command) '?(?:[\w-]*gcc|cc|g\+\+|c\+\+|clang|make|cargo|rustc)|"
    r"(?:gcc|cc1?|g\+\+|make|cmake|cargo|rustc|pkg-config): (?:command )?not found|"
    r"No such file or directory: '(?:gcc|cc|make|cmake|cargo|pg_config|pkg-config)'|can't find Rust compiler"
)
_NO_SPACE = re.compile(r"No space left on device|File too large")
PROGRAMS = {
    "useradd": "passwd",
    "adduser": "adduser",
    "groupadd": "passwd",
    "curl": "curl",
    "wget": "wget",
    "git": "git",
    "gcc": "gcc",
    "cc": "gcc",
    "g++": "g++",
    "make": "make",
    "unzip": "unzip",
    "xz": "xz-utils",
    "ps": "procps",
    "pip": "python3-pip",
    "node": "nodejs",
    "npm": "npm",
}
"""Programs that people expect, and Debian's packages that bring them."""


def explain(error: str, tail: Sequence[str], memory_mb: int) -> tuple[str, str]:
    """(one sentence, what to do first) for the engine's ``error`` after the last lines of
    output.
    """
    error = neutralise(error)
    exit_ = _EXIT.search(error)
    if exit_ is None:
        return _refused_step(error)
    command = " ".join(_SHELL.sub("", exit_["command"]).split())
    step = f"RUN {_short(command, 120)}"
    if exit_["code"] == "137":
        return (
            f"A step of the build was killed: {step}.",
            (
                f"Most likely it used more than {memory_mb} MiB of memory. Do less at once, for "
                "example with fewer jobs."
            ),
        )
    found = _cause(tail)
    if found is not None:
        return f"The build failed: {found[0]}", found[1]
    return (
        f"The build failed: {step} ended with code {exit_['code']}.",
        "Read its last lines below: the first error among them is most often the cause.",
    )


def _cause(tail: Sequence[str]) -> tuple[str, str] | None:
    """The most specific thing that the output tells: the network first, for the rest follows from
    it.
    """
    text = "\n".join(tail)
    if _NO_NETWORK.search(text):
        return (
            "a step tried to reach an address that a build can't reach.",
            (
                "A build reaches package indexes at most, and nothing else. Put other files into the "
                "project."
            ),
        )
    if match := _APT_MISSING.search(text):
        name = match["name"] or match["old"]
        return (
            f"apt-get finds no package {name!r}.",
            (
                "Run apt-get update in the same RUN in front of it, and check the name for the base "
                "image's release."
            ),
        )
    if match := _PIP_MISSING.search(text):
        name = (match["name"] or match["same"] or match["uv"]).strip()
        return (
            f"there is no Python package for {name!r} here.",
            (
                "Check its name and version; it may not exist for this Python, or the build may not "
                "reach the index."
            ),
        )
    if match := _NPM_MISSING.search(text):
        return (
            "npm does not find a package.",
            "Check its name and version in package.json and the lock file.",
        )
    if _COMPILER.search(text):
        return (
            "a package has to be compiled, and there is no compiler.",
            (
                "Use a version that comes as a wheel, or install build-essential and what else it "
                "names in an earlier RUN."
            ),
        )
    if match := next(
        (m for line in reversed(tail) if (m := _NOT_FOUND.search(line.strip()))), None
    ):
        return _missing_program(match["name"])
    if _NO_SPACE.search(text):
        return (
            "it ran out of disk.",
            "Write less; remove temporary files in the same RUN that makes them.",
        )
    return None


def _missing_program(name: str) -> tuple[str, str]:
    package = PROGRAMS.get(name)
    said = f"the program {name!r} is not in this image."
    if package:
        return (
            said,
            f"Install it in an earlier step: RUN apt-get update && apt-get install -y {package}.",
        )
    return said, "Install it in an earlier step, or check its name and whether it is on PATH."


def _refused_step(error: str) -> tuple[str, str]:
    """The engine could not even begin a step."""
    error = re.sub(rf"\b{PROJECT}/", "", error)
    if match := _NO_FILE.search(error):
        if match["bad"]:
            return (
                "The build failed: a program is made for another machine (exec format error).",
                "Build it for this machine's processor; a script needs #! on its first line.",
            )
        return (
            f"The build failed: {match['name']!r} is not in this image.",
            'A base image without a shell takes RUN only as a list, such as RUN ["/app/tool"].',
        )
    if "uid/gid" in error or "no such user" in error:
        return (
            f"The build failed: {_short(error.rpartition('mapping: ')[2], MAX_SHOWN)}.",
            "Make the user in an earlier RUN, or write its number, such as --chown=10001:10001.",
        )
    if error.startswith("failed to process"):
        return (
            f"The build failed: {_short(error, MAX_SHOWN)}.",
            "Check the variables and quotes of that instruction.",
        )
    if error.startswith(("COPY failed", "failed to")):
        return (
            f"The build failed: {_short(error, MAX_SHOWN)}.",
            "Check the path: it counts from the root of the project, and .dockerignore is applied.",
        )
    return (
        f"The build failed: {_short(error, MAX_SHOWN)}.",
        "Build it locally from the same base image; the message is the engine's own.",
    )


def _short(text: str, most: int) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= most else text[:most] + " …"
