"""What the operator lets builds reach."""

from __future__ import annotations

import os
from dataclasses import dataclass

KINDS = {"python": "PyPI", "debian": "Debian's packages", "npm": "npm"}
"""Kinds of packages, and how pages name them."""
MIB = 1 << 20
BUILD_MIB = 2048
CACHE_GIB = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """``kinds``: keys of KINDS.

    ``build_mib``: what one build may read. ``cache_gib``: what the cache may hold.
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    build_mib: int = BUILD_MIB
    cache_gib: int = CACHE_GIB

    @classmethod
    def from_environment(cls) -> Policy:
        """``SEATRIAL_PACKAGES``: kinds with spaces between, or ``none``.

        Raises ValueError for an unknown kind.
        """
        words = os.environ.get("SEATRIAL_PACKAGES", "").replace(",", " ").split() or list(KINDS)
        if words == ["none"]:
            words = []
        unknown = [word for word in words if word not in KINDS]
        if unknown:
            raise ValueError(
                f"SEATRIAL_PACKAGES: {unknown[0]!r} is no kind. Use none, or some of "
                f"{', '.join(KINDS)}."
            )
        return cls(
            kinds=tuple(words),
            build_mib=int(os.environ.get("SEATRIAL_PACKAGES_BUILD_MIB") or BUILD_MIB),
            cache_gib=int(os.environ.get("SEATRIAL_PACKAGES_CACHE_GIB") or CACHE_GIB),
        )

    def sentence(self) -> str:
        """What a page says about it."""
        if not self.kinds:
            return "A build reaches no network: bring what it needs in the project."
        names = [KINDS[kind] for kind in self.kinds]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        return f"A build reaches {listed} through a cache, and nothing else."
