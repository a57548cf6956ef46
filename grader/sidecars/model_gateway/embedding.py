"""Sentence vectors of all-MiniLM-L6-v2 (int8 ONNX), on one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from grader.sidecars.model_gateway import tokens

DIMENSIONS = 384
MAX_TOKENS = 256


class Counter:
    """Counts tokens and has no model: a third of the memory and of the start-up time."""

    def __init__(self) -> None:
        tokens.count("warm")

    def count(self, text: str) -> int:
        """Tokens of ``text`` as the ledger counts them."""
        return tokens.count(text)


class Embedder:
    """Texts to unit vectors.

    Reads MINILM_PATH and MINILM_TOKENIZER; safe to use from several threads.

    One text is run at a time: the model quantises activations over the whole batch, so a vector
    would otherwise depend on its neighbours, and on a CPU padding costs more than a batch of this
    model brings.
    """

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Both keep memory for speed that one short text at a time does not need. Constant folding
        # stays on: it costs some 130 MB (weights become fp32) and makes a text seven times faster.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            os.environ["MINILM_PATH"], options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Any:
        """A float32 array of shape (len(texts), 384), rows of length 1.

        Text past 256 tokens is not seen.
        """
        import numpy as np

        out = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            with self._lock:
                out[row] = self._one(text)
        return out

    def count(self, text: str) -> int:
        """Tokens of ``text`` as the ledger counts them."""
        return tokens.count(text)

    def _one(self, text: str) -> Any:
        import numpy as np

        pieces = tokens.shared().encode(text).ids
        if len(pieces) > MAX_TOKENS:
            pieces = [*pieces[: MAX_TOKENS - 1], pieces[-1]]  # keep the closing [SEP]
        ids = np.array([pieces], np.int64)
        mask = np.ones_like(ids)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        pooled = (
            (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            if hidden.ndim == 3
            else hidden
        )
        return pooled[0] / np.linalg.norm(pooled[0])
