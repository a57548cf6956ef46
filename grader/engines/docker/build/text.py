"""Makes text from learner code harmless to print, to store and to put into a page."""

from __future__ import annotations

import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 controls, but for tab and newline
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, direction, line separators
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates, tags
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def neutralise(text: str) -> str:
    """``text`` with every control and invisible character shown as an escape; tab and newline stay.

    A carriage return becomes a newline, so that nothing can be overwritten on a terminal. The
    result is still untrusted text: whoever puts it into HTML escapes it as always.
    """
    return _HARMFUL.sub(_shown, text.replace("\r\n", "\n").replace("\r", "\n"))
