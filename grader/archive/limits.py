"""Bounds of an upload, and the limits of the child process that reads it."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Sizes in bytes.

    ``members`` counts everything in the archive, ``files`` what is kept of it.
    """

    packed: int = 10 * MIB
    unpacked: int = 50 * MIB
    files: int = 2000
    members: int = 20_000
    depth: int = 20
    name: int = 200
    memory: int = 512 * MIB
    headers: int = MIB
    """Extended headers of a tar, all together: long names and times need some hundred bytes a
    file.
    """
    cpu_s: int = 20
    wall_s: float = 30.0


JUNK = frozenset(
    {
        "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git", ".hg", ".svn", ".venv", "__pycache__",
        "node_modules",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox", ".ipynb_checkpoints", ".idea", ".vscode",
    }
)  # fmt: skip
"""Left out, and named where it is told what was left out: nobody means to submit these."""
VENV_MARK = "pyvenv.cfg"
"""A folder that holds it is a virtual environment, whatever its name."""
