"""Makes untrusted text and data fit to be stored: every database and every JSON parser must take
it.
"""

from __future__ import annotations

import math
import re
from typing import Any

# Control characters (escape sequences begin with one) and those that reorder text on the screen.
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MAX_DEPTH = 24


def clean_text(text: str) -> str:
    """The text without control characters except tab and newline; each becomes U+FFFD."""
    return _BAD.sub("\ufffd", text.replace("\r\n", "\n"))


def clean(value: Any, depth: int = 0) -> Any:
    """JSON data with clean texts and without NaN, infinities, or nesting beyond MAX_DEPTH."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean_text(str(k)): clean(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(v, depth + 1) for v in value]
    return value
