"""Which images a Dockerfile may build on: names, and what stands behind each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

PATTERNS = (
    "python:3*",
    "python:slim*",
    "debian:*",
    "ubuntu:*",
    "node:*",
    "golang:1*",
    "*/distroless/python3*",
    "*/distroless/static*",
    "*/distroless/base*",
)
"""What an operator who sets nothing allows beside our own images.

``SEATRIAL_BASES`` takes their place.
"""
ADVISED = "python:3.13-slim, debian:trixie-slim, node:22-slim"
MUSL = (
    "Alpine has musl instead of glibc, so most wheels of AI packages do not fit. Use the same "
    "image with -slim, "
    "such as python:3.13-slim."
)
_NAME = re.compile(
    r"[a-z0-9][a-z0-9._/-]{0,120}(:[0-9]{1,5}/[a-z0-9._/-]{1,120})?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,80})?"
)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


class Bases(Protocol):
    """The allowed base images of one build."""

    def resolve(self, name: str) -> str | None:
        """The image id that this name stands for; None when the name is not allowed."""
        ...

    def names(self) -> list[str]:
        """Names and patterns, for messages."""
        ...

    def refusal(self, name: str) -> str:
        """What to do instead of using ``name``, which is not allowed."""
        ...

    def notes(self) -> list[str]:
        """What the build log says about the names that were resolved."""
        ...


class Table:
    """A fixed table of names."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self._images = dict(images)

    def resolve(self, name: str) -> str | None:
        return self._images.get(name)

    def names(self) -> list[str]:
        return sorted(self._images)

    def refusal(self, name: str) -> str:
        if "alpine" in name:
            return MUSL
        return f"Use {' or '.join(self.names())}."

    def notes(self) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class Found:
    """What stands behind a name: an image id, or why there is none.

    ``note`` is for the build log.
    """

    id: str | None
    note: str = ""
    advice: str = ""


class Allowed:
    """Our own images by name, and public ones by pattern.

    ``find`` gets a public name and is asked once for each.
    """

    def __init__(
        self, own: Mapping[str, str], patterns: Iterable[str], find: Callable[[str], Found]
    ) -> None:
        self._own, self._patterns, self._find = dict(own), tuple(patterns), find
        self._found: dict[str, Found] = {}

    def resolve(self, name: str) -> str | None:
        if own := self._own.get(name) or self._own.get(f"{name}:1"):
            return own
        public = public_name(name)
        if public is None or not allowed(public, self._patterns):
            return None
        if public not in self._found:
            self._found[public] = self._find(public)
        return self._found[public].id

    def names(self) -> list[str]:
        return [*sorted(self._own), *self._patterns]

    def refusal(self, name: str) -> str:
        if "alpine" in name:
            return MUSL
        found = self._found.get(public_name(name) or "")
        if found and found.advice:
            return found.advice
        own = " or ".join(sorted(self._own))
        return (
            f"Use {own}, or one of {', '.join(self._patterns)}."
            if self._patterns
            else f"Use {own}."
        )

    def notes(self) -> list[str]:
        return [found.note for found in self._found.values() if found.note]


def public_name(name: str) -> str | None:
    """The name as patterns see it: with a tag, without a digest and without the default registry.

    ``python`` and ``HOST/library/python`` are ``python:latest``. None for what is no name of an
    image.
    """
    bare = _DIGEST.sub("", name)
    if not _NAME.fullmatch(bare) or ".." in bare or "//" in bare:
        return None
    host, _, rest = bare.partition("/library/")
    if rest and "/" not in host:
        bare = rest
    return bare if ":" in bare.rpartition("/")[2] else f"{bare}:latest"


def allowed(public: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern fits a name.

    ``latest`` fits wherever some tag of that image does; Alpine nowhere.
    """
    if "alpine" in public:
        return False
    image, _, tag = public.rpartition(":")
    for pattern in patterns:
        if fnmatchcase(public, pattern):
            return True
        wanted, _, _tag = pattern.rpartition(":")
        if tag == "latest" and wanted and fnmatchcase(image, wanted):
            return True
    return False


def operators_patterns() -> tuple[str, ...]:
    """What the operator set in ``SEATRIAL_BASES``, with spaces between;

    ``none`` leaves our own images alone.
    """
    given = os.environ.get("SEATRIAL_BASES", "").split()
    return () if given == ["none"] else tuple(given) or PATTERNS


def as_bases(images: Bases | Mapping[str, str]) -> Bases:
    return Table(images) if isinstance(images, Mapping) else images


def by_name_alone(own: Iterable[str]) -> Allowed:
    """For a look at a Dockerfile without an engine: every allowed name stands for something."""
    return Allowed(
        dict.fromkeys(own, "sha256:0"), operators_patterns(), lambda _name: Found("sha256:0")
    )
