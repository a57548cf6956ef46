"""``.dockerignore``, applied by us: the last pattern that matches decides; ``!`` takes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from grader.dockerfile import globs

MAX_BYTES = 16 << 10
MAX_PATTERNS = 200
MAX_SEGMENTS = 20
"""Projects are no deeper: a pattern of more segments, but for ``**``, matches nothing."""


class Ignore:
    """Patterns of one file, compiled once.

    Each name of the tree is held against each pattern once.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:  # half a pattern could match everything
            data = data[:MAX_BYTES].rpartition(b"\n")[0]
        lines = data.decode("utf-8", "replace").splitlines()
        kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        parsed = (_parse(line) for line in kept[:MAX_PATTERNS])
        found = [pattern for pattern in parsed if pattern is not None]
        self._taken_back = [taken_back for taken_back, _ in found]
        self._patterns = [pattern for _, pattern in found]
        self._known: dict[PurePosixPath, tuple[int, ...]] = {
            PurePosixPath(): tuple(pattern.start for pattern in self._patterns)
        }

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether ``path`` (or a folder that holds it) is left out."""
        reached = self._reached(path)
        for n in range(len(reached) - 1, -1, -1):
            if reached[n] == MATCHED:
                return not self._taken_back[n]
        return False

    def _reached(self, path: PurePosixPath) -> tuple[int, ...]:
        """For each pattern how far the names of the path, from the root on, have come in it."""
        if path not in self._known:
            above, name = self._reached(path.parent), path.name
            self._known[path] = tuple(
                pattern.step(state, name) if state > 0 else state
                for pattern, state in zip(self._patterns, above, strict=True)
            )
        return self._known[path]


MATCHED = -1
"""The state of a pattern that has matched a path: it matches everything below as well."""


class _Pattern:
    """An automaton over segments; ``**`` stands for any number of them.

    A state is a set of positions as the bits of a number: linear in the pattern for each name,
    whatever the pattern.
    """

    def __init__(self, segments: tuple[str, ...]) -> None:
        self._segments = [None if s == "**" else _compiled(s) for s in segments]
        self.start = self._skipped(1)

    def step(self, state: int, name: str) -> int:
        """The state after one more name; 0 when nothing below can match."""
        after = 0
        for at, segment in enumerate(self._segments):
            if state >> at & 1:
                if segment is None:
                    after |= 1 << at
                    if at == len(self._segments) - 1:
                        return MATCHED
                elif segment(name):
                    after |= 2 << at
        after = self._skipped(after)
        return MATCHED if after >> len(self._segments) & 1 else after

    def _skipped(self, state: int) -> int:
        """``**`` may stand for nothing, but for one at the end: ``a/**`` is not ``a`` itself."""
        for at, segment in enumerate(self._segments[:-1]):
            if segment is None and state >> at & 1:
                state |= 2 << at
        return state


def keep(
    paths: Iterable[PurePosixPath], data: bytes | None, look: Callable[[], None] = lambda: None
) -> list[PurePosixPath]:
    """The paths that are not ignored; all of them when there is no file.

    ``look`` is called for each path.
    """
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
    parts = []
    for part in line.lstrip("!").strip().split("/"):
        # ``**.pyc`` is ``**/*.pyc``.
        parts += ["**", part[1:]] if part.startswith("**") and part != "**" else [part]
    parts = [part for part in parts if part not in ("", ".")]
    parts = [p for n, p in enumerate(parts) if p != "**" or n == 0 or parts[n - 1] != "**"]
    if not parts or sum(p != "**" for p in parts) > MAX_SEGMENTS:
        return None
    return taken_back, _Pattern(tuple(parts))


def _compiled(segment: str) -> Callable[[str], bool]:
    try:
        return globs.segment(segment)
    except globs.BadPattern:
        return lambda _: False
