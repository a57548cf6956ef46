"""all-MiniLM-L6-v2 (int8, ONNX): sentence vectors, and WordPiece counts. Paths come from the image's environment."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

MAX_TOKENS = 256
CACHED = 20_000
DIMENSIONS = 384


class Embedder:
    """Loads once; safe to share between threads. Vectors are float32, L2-normalised, 384 wide."""

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            os.environ["MINILM_PATH"], options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {i.name for i in self._session.get_inputs()}
        self._truncated, self._whole = (Tokenizer.from_file(os.environ["MINILM_TOKENIZER"]) for _ in range(2))
        for tokenizer in (self._truncated, self._whole):
            tokenizer.no_padding()
        self._truncated.enable_truncation(MAX_TOKENS)
        self._whole.no_truncation()
        self._cache: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, text: str) -> int:
        """WordPiece tokens of ``text``, without special ones: the unit of the ledger."""
        return len(self._whole.encode(text, add_special_tokens=False).ids)

    def embed(self, texts: Sequence[str]) -> Any:
        """Vectors of shape (len(texts), 384). Each text by itself, so that a vector never depends on its neighbours."""
        import numpy

        if not texts:
            return numpy.zeros((0, DIMENSIONS), numpy.float32)
        return numpy.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> Any:
        """One vector of shape (384,), cached."""
        with self._lock:
            if text in self._cache:
                self._cache.move_to_end(text)
                return self._cache[text]
        made = self._compute(text)
        with self._lock:
            self._cache[text] = made
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return made

    def _compute(self, text: str) -> Any:
        import numpy

        ids = numpy.array([self._truncated.encode(text).ids], numpy.int64)
        feed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
        hidden = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        pooled = hidden.mean(axis=1) if hidden.ndim == 3 else hidden
        return (pooled / numpy.linalg.norm(pooled, axis=1, keepdims=True))[0].astype(numpy.float32)
