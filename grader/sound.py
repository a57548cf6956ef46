"""Makes what others wrote fit to be sent as a line of JSON: a result must never be lost to an odd
text in it.

Python's strings hold what UTF-8 can't (lone surrogates, which JSON may name), its integers have no
bound, and data can be nested until every recursive function fails. A learner's answer may hold all
of these.
"""

from __future__ import annotations

import math
from typing import Any

MAX_DEPTH = 32
MAX_TEXT = 1 << 16
"""Characters of one text; what a learner wrote is cut much earlier, where it is taken."""
MAX_BITS = 1024
"""Of an integer; a longer one is told by its length."""


def sound_text(text: str) -> str:
    """The same text; what UTF-8 can't hold is written as an escape (``\\ud800``), and a very long
    text is cut.
    """
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def sound(value: Any, depth: int = 0) -> Any:
    """The same data with sound texts, integers of at most ``MAX_BITS``, and no nesting beyond
    ``MAX_DEPTH``.
    """
    if isinstance(value, str):
        return sound_text(value)
    if isinstance(value, bytes):
        return sound_text(value[:MAX_TEXT].decode("utf-8", "backslashreplace"))
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict | list | tuple):
        if depth >= MAX_DEPTH:
            return "…"
        if isinstance(value, dict):
            return {_key(key): sound(each, depth + 1) for key, each in value.items()}
        return [sound(each, depth + 1) for each in value]
    return value


def finite(value: Any) -> Any:
    """The same data with infinities and NaN as words:

    JSON has no numbers for them. Nested at most ``MAX_DEPTH``.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return value


def _key(key: Any) -> Any:
    return sound_text(key) if isinstance(key, str) else key
