"""Seeded values in cases that stand in lab.yaml, so that a simple lab needs no Python.

``<<name>>`` in a text is a word of twelve letters and digits, the same wherever this name stands in
one run and another in the next. A text that is ``<<int name>>`` and nothing else is a whole number
from 1 to a million.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

WORD = re.compile(r"<<([a-z][a-z0-9_-]{0,40})>>")
NUMBER = re.compile(r"<<int ([a-z][a-z0-9_-]{0,40})>>")


def seeded(value: Any, rng: Callable[[str], random.Random]) -> Any:
    """``value`` (JSON data) with its placeholders filled, keys of mappings too."""
    if isinstance(value, dict):
        return {seeded(key, rng): seeded(each, rng) for key, each in value.items()}
    if isinstance(value, list):
        return [seeded(each, rng) for each in value]
    if not isinstance(value, str):
        return value
    if whole := NUMBER.fullmatch(value):
        return rng(f"case number {whole[1]}").randint(1, 10**6)
    return WORD.sub(lambda found: _word(rng(f"case word {found[1]}")), value)


def _word(rng: random.Random) -> str:
    return f"{rng.getrandbits(48):012x}"
