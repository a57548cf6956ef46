"""The run's vectors: tenants of different size in one space of clusters, with lengths that mean
nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DIMENSIONS = 384
LARGE, SMALL, SMALL_TENANTS = 12_800, 320, 10
CLUSTERS = 80
DAYS = 1_000
SPREAD, NEAR = 0.9, 0.5
SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sa", "vel", "dor", "pi", "nox")


@dataclass
class Corpus:
    """``v`` has the shape (n, 384), float32 rounded to 4 digits as it is sent;

    ``unit`` is ``v`` at length 1.
    """

    tenants: list[str]
    """The large one first."""
    ids: list[str]
    owner: np.ndarray
    """Index into ``tenants``, shape (n,)."""
    day: np.ndarray
    v: np.ndarray
    unit: np.ndarray = field(init=False)
    row_of: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.row_of = {name: row for row, name in enumerate(self.ids)}
        self.unit = self.v / np.linalg.norm(self.v, axis=1, keepdims=True)

    def item(self, row: int) -> dict[str, Any]:
        return {"id": self.ids[row], "v": numbers(self.v[row]), "day": int(self.day[row])}

    def rows(self, tenant: int, days: tuple[int, int] | None = None) -> np.ndarray:
        """Rows of a tenant, within the days when they are given (both ends belong to them)."""
        mask = self.owner == tenant
        if days is not None:
            mask &= (self.day >= days[0]) & (self.day <= days[1])
        return np.flatnonzero(mask)

    def exact(
        self, tenant: int, v: np.ndarray, k: int, days: tuple[int, int] | None = None
    ) -> list[str]:
        """Ids of the ``k`` nearest by cosine, best first: the truth."""
        rows = self.rows(tenant, days)
        order = np.argsort(-(self.unit[rows] @ (v / np.linalg.norm(v))), kind="stable")[:k]
        return [self.ids[row] for row in rows[order]]


def numbers(v: np.ndarray) -> list[float]:
    return [round(float(x), 4) for x in v]


def generator(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(64))


def name(rng: random.Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(3)) + f"-{rng.randint(10, 99)}"


def make(rng: random.Random) -> Corpus:
    """All of it from ``rng``.

    One small vector in five is a near copy of another tenant's: a leak would show.
    """
    numpy_rng = generator(rng)
    tenants = list(dict.fromkeys(name(rng) for _ in range(60)))[: SMALL_TENANTS + 1]
    owner = np.repeat(np.arange(SMALL_TENANTS + 1), [LARGE, *[SMALL] * SMALL_TENANTS])
    n = len(owner)
    centres = numpy_rng.standard_normal((CLUSTERS, DIMENSIONS)) / DIMENSIONS**0.5
    noise = numpy_rng.standard_normal((n, DIMENSIONS)) / DIMENSIONS**0.5
    v = centres[numpy_rng.integers(0, CLUSTERS, n)] + SPREAD * noise
    for row in range(LARGE, n, 5):
        v[row] = v[numpy_rng.integers(0, n)] + 0.05 * noise[row]
    lengths = numpy_rng.lognormal(0.0, 0.7, (n, 1))
    order = numpy_rng.permutation(n)
    ids = [f"{rng.getrandbits(40):010x}" for _ in range(n)]
    sent = np.round((v * lengths)[order], 4).astype(np.float32)
    return Corpus(tenants, ids, owner[order], numpy_rng.integers(0, DAYS, n), sent)


def near(corpus: Corpus, row: int, numpy_rng: np.random.Generator) -> np.ndarray:
    """A query near a stored vector, of any length."""
    noise = numpy_rng.standard_normal(DIMENSIONS) / DIMENSIONS**0.5
    made = (corpus.unit[row] + NEAR * noise) * numpy_rng.lognormal(0.0, 0.7)
    return np.asarray(np.round(made, 4), np.float32)
