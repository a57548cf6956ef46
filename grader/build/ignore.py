"""``.dockerignore``, applied by us: the last pattern that matches decides; ``!`` takes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

MAX_BYTES = 16 << 10
MAX_PATTERNS = 200


class Ignore:
    """Patterns of one file. Matching is linear in pattern and path, whatever the pattern."""

    def __init__(self, data: bytes) -> None:
        lines = data[:MAX_BYTES].decode("utf-8", "replace").splitlines()
        kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        self._patterns = [_parse(line) for line in kept[:MAX_PATTERNS]]

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether ``path`` (or a folder that holds it) is left out."""
        out = False
        for taken_back, segments in self._patterns:
            if any(_match(segments, path.parts[:depth]) for depth in range(1, len(path.parts) + 1)):
                out = not taken_back
        return out


def keep(paths: Iterable[PurePosixPath], data: bytes | None) -> list[PurePosixPath]:
    """The paths that are not ignored; all of them when there is no file."""
    if data is None:
        return list(paths)
    ignore = Ignore(data)
    return [path for path in paths if not ignore.ignores(path)]


def _parse(line: str) -> tuple[bool, tuple[str, ...]]:
    taken_back = line.startswith("!")
    parts = [p for p in line.lstrip("!").strip().split("/") if p not in ("", ".")]
    return taken_back, tuple(parts)


def _match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """``**`` stands for any number of segments; rows of a table instead of recursion keep it polynomial."""
    row = [True] + [False] * len(path)
    for segment in pattern:
        if segment == "**":
            seen = False
            for index, value in enumerate(row):
                seen = seen or value
                row[index] = seen
        else:
            row = [False] + [row[i] and _segment(segment, path[i]) for i in range(len(path))]
    return row[-1]


def _segment(pattern: str, name: str) -> bool:
    """``*`` and ``?`` within one segment, by the two-pointer method: never backtracks further than the last ``*``."""
    at, star, mark, i = 0, -1, 0, 0
    while i < len(name):
        if at < len(pattern) and pattern[at] in ("?", name[i]) and pattern[at] != "*":
            at, i = at + 1, i + 1
        elif at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, i, at + 1
        elif star >= 0:
            mark += 1
            at, i = star + 1, mark
        else:
            return False
    return all(c == "*" for c in pattern[at:])
