"""MiniLM sentence vectors, computed in this process."""

from __future__ import annotations

import os
from functools import lru_cache

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

MAX_TOKENS = 256


class Encoder:
    """Texts to unit vectors of 384 dimensions, one text at a time (padding costs more than batching
    brings here).
    """

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            os.environ["MINILM_PATH"], options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}
        self.encode("warm up")
        self.query = lru_cache(maxsize=2048)(self.encode)

    def encode(self, text: str) -> np.ndarray:
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        hidden = self._session.run(
            None, {name: value for name, value in feed.items() if name in self._inputs}
        )[0]
        vector = hidden.mean(axis=1)[0] if hidden.ndim == 3 else hidden[0]
        return (vector / np.linalg.norm(vector)).astype(np.float32)
