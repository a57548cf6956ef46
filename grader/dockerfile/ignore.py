"""``.dockerignore``, applied by us: the last pattern that matches decides; ``!`` takes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

MAX_BYTES = 16 << 10
MAX_PATTERNS = 200
MAX_SEGMENTS = 20
"""Projects are no deeper: a pattern of more segments, but for ``**``, matches nothing."""


class Ignore:
    """Patterns of one file, compiled once. Every folder is matched once, whatever number of files it holds."""

    def __init__(self, data: bytes) -> None:
        lines = data[:MAX_BYTES].decode("utf-8", "replace").splitlines()
        kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        parsed = (_parse(line) for line in kept[:MAX_PATTERNS])
        self._patterns = [pattern for pattern in parsed if pattern is not None]
        self._known: dict[PurePosixPath, tuple[bool, ...]] = {PurePosixPath(): (False,) * len(self._patterns)}

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether ``path`` (or a folder that holds it) is left out."""
        matched = self._matched(path)
        last = max((n for n, found in enumerate(matched) if found), default=-1)
        return last >= 0 and not self._patterns[last][0]

    def _matched(self, path: PurePosixPath) -> tuple[bool, ...]:
        """For each pattern whether it matches the path or a folder above it."""
        if path not in self._known:
            above = self._matched(path.parent)
            own = (pattern.matches(path.parts) for _, pattern in self._patterns)
            self._known[path] = tuple(a or o for a, o in zip(above, own, strict=True))
        return self._known[path]


class _Pattern:
    """Segments; ``**`` stands for any number of them."""

    def __init__(self, segments: tuple[str, ...]) -> None:
        self._segments = [None if s == "**" else _compiled(s) for s in segments]
        self._fixed = len(segments) - self._segments.count(None)
        self._open = None in self._segments

    def matches(self, parts: tuple[str, ...]) -> bool:
        """Rows of a table instead of recursion keep it polynomial."""
        if len(parts) < self._fixed or (len(parts) > self._fixed and not self._open):
            return False
        row = [True] + [False] * len(parts)
        for segment in self._segments:
            if segment is None:
                seen = False
                for index, value in enumerate(row):
                    seen = seen or value
                    row[index] = seen
            else:
                row = [False] + [row[i] and segment(parts[i]) for i in range(len(parts))]
        return row[-1]


def keep(
    paths: Iterable[PurePosixPath], data: bytes | None, look: Callable[[], None] = lambda: None
) -> list[PurePosixPath]:
    """The paths that are not ignored; all of them when there is no file. ``look`` is called for each path."""
    if data is None:
        return list(paths)
    ignore, kept = Ignore(data), []
    for path in paths:
        look()
        if not ignore.ignores(path):
            kept.append(path)
    return kept


def _parse(line: str) -> tuple[bool, _Pattern] | None:
    taken_back = line.startswith("!")
    parts = [p for p in line.lstrip("!").strip().split("/") if p not in ("", ".")]
    parts = [p for n, p in enumerate(parts) if p != "**" or n == 0 or parts[n - 1] != "**"]
    if not parts or sum(p != "**" for p in parts) > MAX_SEGMENTS:
        return None
    return taken_back, _Pattern(tuple(parts))


def _compiled(segment: str) -> Callable[[str], bool]:
    """A test for one segment. Plain ones are compared; others go by the two-pointer method, never exponential."""
    if not re.search(r"[*?]", segment):
        return segment.__eq__
    return lambda name: _segment(segment, name)


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
