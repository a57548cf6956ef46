"""MiniLM sentence vectors: all texts of a request in one batch, padded to the longest."""

from __future__ import annotations

import ctypes
import os

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

MAX_TOKENS = 256


class Embedder:
    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            os.environ["MINILM_PATH"], options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}
        # What loading has freed is still ours until the heap is trimmed, and memory is looked at.
        ctypes.CDLL(None).malloc_trim(0)

    def embed(self, texts: list[str]) -> np.ndarray:
        """Vectors in the order of the texts, shape (n, 384)."""
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(
            None, {name: value for name, value in feed.items() if name in self._inputs}
        )[0]
        if hidden.ndim == 3:
            hidden = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
