"""Texts of mixed length for /embed, and their true vectors by the same encoder, one by one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

SHORT, LONG = 9, 1
SHORT_WORDS, LONG_WORDS = (4, 9), (60, 80)
DIMENSIONS = 384
WORDS = """
card payment refused merchant refund account transfer limit address device phone login country night order
parcel invoice customer claims charge unknown amount cash machine abroad holiday hotel ticket booking delayed
blocked stolen wallet bank branch salary rent deposit currency exchange fee statement dispute evidence receipt
""".split()  # noqa: SIM905  shorter than a list, and as plain


def text(g: Any, words: tuple[int, int]) -> str:
    chosen = [str(g.choice(WORDS)) for _ in range(int(g.integers(*words)))]
    return f"{' '.join(chosen)} {g.integers(10, 10_000)}"


def mixed(g: Any) -> list[str]:
    """A few short texts and fewer long ones, in any order; none is ever sent twice."""
    made = [text(g, SHORT_WORDS) for _ in range(SHORT)] + [text(g, LONG_WORDS) for _ in range(LONG)]
    return [made[i] for i in g.permutation(len(made))]


def whole_and_cut(g: Any) -> list[str]:
    """Two texts of which the second half speaks of something else: of some 230 tokens, and of more
    than 256.
    """
    halves = WORDS[: len(WORDS) // 2], WORDS[len(WORDS) // 2 :]
    return [
        " ".join(str(g.choice(half)) for half in halves for _ in range(words))
        for words in (100, 170)
    ]


class Encoder:
    """all-MiniLM-L6-v2, mean pooling, unit length."""

    def __init__(self) -> None:
        import onnxruntime as ort
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            os.environ["MINILM_PATH"], options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}

    def __call__(self, one: str) -> np.ndarray:
        ids = np.array([self._tokenizer.encode(one).ids], dtype=np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        hidden = self._session.run(
            None, {name: value for name, value in feed.items() if name in self._inputs}
        )[0]
        vector = hidden.mean(axis=1)[0] if hidden.ndim == 3 else hidden[0]
        return np.asarray(vector / np.linalg.norm(vector))


def vectors_in(document: Any, count: int) -> np.ndarray | None:
    """(count, DIMENSIONS), or None when the answer isn't that."""
    rows = document.get("vectors") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        return None
    if not all(isinstance(row, list) and len(row) == DIMENSIONS for row in rows):
        return None
    try:
        made = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return made if made.shape == (count, DIMENSIONS) and np.isfinite(made).all() else None


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0
