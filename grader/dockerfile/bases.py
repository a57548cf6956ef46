"""Which images a Dockerfile may build on: names, and what stands behind each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


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


class Table:
    """A fixed table of names."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self._images = dict(images)

    def resolve(self, name: str) -> str | None:
        return self._images.get(name)

    def names(self) -> list[str]:
        return sorted(self._images)

    def refusal(self, name: str) -> str:  # noqa: ARG002  others say more about certain names
        return f"Use {' or '.join(self.names())}."


def as_bases(images: Bases | Mapping[str, str]) -> Bases:
    return Table(images) if isinstance(images, Mapping) else images
