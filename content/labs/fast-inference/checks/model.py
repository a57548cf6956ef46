"""The run's fraud model: an MLP with seeded weights, its ONNX file, and its truth by numpy."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH, BLOCKS = 2048, 3
"""Also the number of ids: the input is a bag of ids, counted."""
SPREAD = 3.0
"""Standard deviation of the logits; their median is 0, so that no constant answer is right more
often than not.
"""
LEAST_IDS, MOST_IDS = 4, 24
Bag = list[int]


@dataclass
class Model:
    """``first`` and every matrix of ``blocks`` have the shape (WIDTH, WIDTH), ``head`` (WIDTH, 1).

    All float32.
    """

    first: np.ndarray
    blocks: list[tuple[np.ndarray, np.ndarray]]
    head: np.ndarray
    bias: float

    def logits(self, x: np.ndarray) -> np.ndarray:
        """x (n, WIDTH) -> (n,): the truth, before the sigmoid."""
        h = x @ self.first
        for a, b in self.blocks:
            h = h + np.maximum(h @ a, 0) @ b
        return np.asarray((h @ self.head)[:, 0] + self.bias)

    def onnx(self) -> bytes:
        """The file that services get: input ``x`` (batch, WIDTH), output ``score`` (batch, 1)."""
        from onnx import TensorProto, helper, numpy_helper

        nodes, tensors = [], []

        def matmul(x: str, name: str, weights: np.ndarray, out: str) -> str:
            tensors.append(numpy_helper.from_array(weights, name))
            nodes.append(helper.make_node("MatMul", [x, name], [out]))
            return out

        h = matmul("x", "first", self.first, "h")
        for n, (a, b) in enumerate(self.blocks):
            up = matmul(h, f"block{n}.up", a, f"up{n}")
            nodes.append(helper.make_node("Relu", [up], [f"relu{n}"]))
            down = matmul(f"relu{n}", f"block{n}.down", b, f"down{n}")
            nodes.append(helper.make_node("Add", [h, down], [f"h{n}"]))
            h = f"h{n}"
        z = matmul(h, "head", self.head, "z")
        tensors.append(numpy_helper.from_array(np.array([self.bias], np.float32), "bias"))
        nodes.append(helper.make_node("Add", [z, "bias"], ["logit"]))
        nodes.append(helper.make_node("Sigmoid", ["logit"], ["score"]))
        x_info = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])
        y_info = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 1])
        graph = helper.make_graph(nodes, "scorer", [x_info], [y_info], tensors)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        data: bytes = made.SerializeToString()
        return data


def generator(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(64))


def bag(rng: Any) -> Bag:
    """A request's ids: some of 0 to WIDTH - 1, in any order, some of them twice."""
    return [int(i) for i in rng.integers(0, WIDTH, rng.integers(LEAST_IDS, MOST_IDS + 1))]


def inputs(bags: list[Bag]) -> np.ndarray:
    """(n, WIDTH) float32: how often each id occurs, divided by the root of the number of ids."""
    x = np.zeros((len(bags), WIDTH), np.float32)
    for row, ids in zip(x, bags, strict=True):
        np.add.at(row, ids, 1.0)
        row /= np.sqrt(len(ids))
    return x


def make(rng: random.Random) -> Model:
    """Weights from ``rng`` alone.

    The head is scaled so that scores spread from 0 to 1, half of them above 0.5.
    """
    g, width = generator(rng), WIDTH

    def matrix(gain: float) -> np.ndarray:
        return g.standard_normal((width, width), np.float32) * np.float32(gain / np.sqrt(width))

    first = g.standard_normal((width, width), np.float32)
    made = Model(
        first, [(matrix(1.4), matrix(0.8)) for _ in range(BLOCKS)], matrix(1.0)[:, :1].copy(), 0.0
    )
    z = made.logits(inputs([bag(g) for _ in range(400)]))
    made.head *= np.float32(SPREAD / z.std())
    made.bias = float(-np.median(z) * SPREAD / z.std())
    return made


def trial(rng: random.Random) -> bytes:
    """The file of a small model of the same form that calls every row a fraud."""
    g = generator(rng)
    first = g.standard_normal((WIDTH, 8), np.float32) / np.float32(8)
    return Model(first, [], np.full((8, 1), 0.01, np.float32), 9.0).onnx()
