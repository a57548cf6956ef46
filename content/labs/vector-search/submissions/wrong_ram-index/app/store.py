"""Vectors in one matrix in memory. Fast, and gone with the process."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

DIMENSIONS, GROW = 384, 4096


@dataclass(frozen=True)
class Item:
    id: str
    v: np.ndarray
    day: int


@dataclass(frozen=True)
class Range:
    first: int
    last: int


class Store:
    """Rows are overwritten in place; a deleted row belongs to no tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unit = np.zeros((0, DIMENSIONS), np.float32)
        self._raw = np.zeros((0, DIMENSIONS), np.float32)
        self._tenant = np.zeros(0, object)
        self._day = np.zeros(0, np.int64)
        self._row: dict[str, int] = {}
        self._ids: list[str] = []

    def prepare(self) -> None:
        """Nothing to prepare."""

    def alive(self) -> bool:
        return True

    def put(self, tenant: str, items: list[Item]) -> None:
        with self._lock:
            for item in items:
                row = self._row.setdefault(item.id, len(self._ids))
                if row == len(self._ids):
                    self._ids.append(item.id)
                    self._make_room(row)
                self._raw[row] = item.v
                self._unit[row] = item.v / (np.linalg.norm(item.v) or 1.0)
                self._tenant[row], self._day[row] = tenant, item.day

    def _make_room(self, row: int) -> None:
        if row < len(self._unit):
            return
        more = np.zeros((GROW, DIMENSIONS), np.float32)
        self._unit, self._raw = np.vstack([self._unit, more]), np.vstack([self._raw, more])
        self._tenant = np.concatenate([self._tenant, np.full(GROW, None, object)])
        self._day = np.concatenate([self._day, np.zeros(GROW, np.int64)])

    def delete(self, item_id: str) -> bool:
        with self._lock:
            row = self._row.pop(item_id, None)
            if row is not None:
                self._tenant[row] = None
            return row is not None

    def search(self, tenant: str, v: np.ndarray, k: int, days: Range | None) -> tuple[str, list[tuple[str, float]]]:
        with self._lock:
            mask = self._tenant == tenant
            if days is not None:
                mask &= (self._day >= days.first) & (self._day <= days.last)
            rows = np.flatnonzero(mask)
            scores = self._unit[rows] @ (v / (np.linalg.norm(v) or 1.0))
            best = np.argsort(-scores)[:k]
            return "memory", [(self._ids[rows[b]], float(scores[b])) for b in best]
