"""The converted model and what it is fed with."""

from __future__ import annotations

import ctypes

import numpy as np
import onnxruntime as ort


def trim() -> None:
    """Give back what loading has freed: it is ours until the heap is trimmed."""
    ctypes.CDLL(None).malloc_trim(0)


class Scorer:
    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.width = int(self._session.get_inputs()[0].shape[1])
        self.run([[0]])
        trim()

    def run(self, rows: list[list[int]]) -> list[float]:
        """Scores of a batch: counts of ids over the root of their number go in."""
        x = np.zeros((len(rows), self.width), np.float32)
        for line, ids in zip(x, rows, strict=True):
            np.add.at(line, ids, 1.0)
            line /= np.sqrt(len(ids))
        return [float(s) for s in self._session.run(None, {"x": x})[0][:, 0]]
