"""MiniLM sentence vectors.

Texts are sorted by length, and only texts of nearly one length share a batch.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

MAX_TOKENS = 256
MOST, STRETCH = 8, 1.25
"""Texts in a batch, and how much longer than its shortest the longest may be: padding is computed
like text.
"""


class Embedder:
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
        self._thread = ThreadPoolExecutor(1)

    async def embed(self, texts: list[str]) -> np.ndarray:
        """Vectors in the order of the texts, shape (n, 384)."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, texts)

    def _embed(self, texts: list[str]) -> np.ndarray:
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        out = np.empty((len(texts), 384), np.float32)
        for which in buckets([len(t) for t in tokens]):
            out[which] = self._run([tokens[i] for i in which])
        return out

    def _run(self, tokens: list[list[int]]) -> np.ndarray:
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, seen, some in zip(ids, mask, tokens, strict=True):
            row[: len(some)], seen[: len(some)] = some, 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(
            None, {name: value for name, value in feed.items() if name in self._inputs}
        )[0]
        if hidden.ndim == 3:
            hidden = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)


def buckets(lengths: list[int]) -> list[list[int]]:
    """Indices in groups of nearly equal length."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if out and len(out[-1]) < MOST and lengths[i] <= STRETCH * lengths[out[-1][0]]:
            out[-1].append(i)
        else:
            out.append([i])
    return out
