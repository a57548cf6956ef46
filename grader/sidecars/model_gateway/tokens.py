"""Counting tokens the way the ledger does:

WordPiece pieces of MiniLM's vocabulary, without special tokens.
"""

from __future__ import annotations

import functools
import os
from typing import Any


@functools.cache
def shared() -> Any:
    """The process's one tokenizer, from the file named by MINILM_TOKENIZER, without its fixed
    padding and truncation.

    One, because each takes tens of megabytes.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def count(text: str) -> int:
    """How many tokens ``text`` has. Needs the runtime image's tokenizer."""
    return len(shared().encode(text, add_special_tokens=False).ids)
