"""Bounds of an upload, and the limits of the child process that reads it."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Sizes in bytes. ``members`` counts everything in the archive, ``files`` what is kept of it."""

    packed: int = 10 * MIB
    unpacked: int = 50 * MIB
    files: int = 2000
    members: int = 20_000
    depth: int = 20
    name: int = 200
    memory: int = 512 * MIB
    cpu_s: int = 20
    wall_s: float = 30.0


JUNK = frozenset(
    {"__MACOSX", ".DS_Store", ".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)
"""Left out without a word: nobody means to submit these."""
