"""Patterns of paths as Go's ``filepath.Match`` reads them, one segment at a time, in linear
time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

STAR = None
_Token = Callable[[str], bool] | None


class BadPattern(ValueError):
    """A bracket is not closed, or holds nothing."""


def segment(pattern: str) -> Callable[[str], bool]:
    """A test for the name of one file or folder. Raises BadPattern."""
    if not any(char in pattern for char in "*?["):
        return pattern.__eq__
    tokens = _tokens(pattern)
    return lambda name: _match(tokens, name)


def matches(tests: Sequence[Callable[[str], bool]], parts: Sequence[str]) -> bool:
    """Whether a path of as many segments matches, each its own."""
    return len(tests) == len(parts) and all(t(p) for t, p in zip(tests, parts, strict=True))


def _tokens(pattern: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if not found or found[-1] is not STAR:
                found.append(STAR)
        elif char == "?":
            found.append(lambda _: True)
        elif char == "[":
            token, at = _class(pattern, at)
            found.append(token)
        else:
            found.append(char.__eq__)
    return found


def _class(pattern: str, at: int) -> tuple[_Token, int]:
    """The class whose first character stands at ``at``, and where it ends."""
    end = pattern.find("]", at)
    inside = pattern[at:end].removeprefix("^")
    if end < 0 or not inside:
        raise BadPattern(pattern)
    negated = pattern[at] == "^"
    ranges, i = [], 0
    while i < len(inside):
        last = i + 2 if inside[i + 1 : i + 2] == "-" else i
        if last >= len(inside):
            raise BadPattern(pattern)
        ranges.append((inside[i], inside[last]))
        i = last + 1
    return lambda char: any(a <= char <= b for a, b in ranges) != negated, end + 1


def _match(tokens: Sequence[_Token], name: str) -> bool:
    """Two pointers: never goes back further than the last star."""
    at, star, mark, i = 0, -1, 0, 0
    while i < len(name):
        token = tokens[at] if at < len(tokens) else None
        if token is not None and token(name[i]):
            at, i = at + 1, i + 1
        elif at < len(tokens) and token is STAR:
            star, mark, at = at, i, at + 1
        elif star >= 0:
            mark += 1
            at, i = star + 1, mark
        else:
            return False
    return all(token is STAR for token in tokens[at:])
