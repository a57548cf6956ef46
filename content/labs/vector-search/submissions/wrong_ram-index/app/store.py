"""Vectors in one matrix in memory. Fast, and gone with the process."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

DIMENSIONS, ROOM = 384, 60_000


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
        # The system gives a page of these when it is first written.
        self._unit = np.zeros((ROOM, DIMENSIONS), np.float32)
        self._raw = np.zeros((ROOM, DIMENSIONS), np.float32)
        self._tenant = np.full(ROOM, None, object)
        self._day = np.zeros(ROOM, np.int64)
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
                self._raw[row] = item.v
                self._unit[row] = item.v / (np.linalg.norm(item.v) or 1.0)
                self._tenant[row], self._day[row] = tenant, item.day

    def delete(self, item_id: str) -> bool:
        with self._lock:
            row = self._row.pop(item_id, None)
            if row is not None:
                self._tenant[row] = None
            return row is not None

    def search(
        self, tenant: str, v: np.ndarray, k: int, days: Range | None
    ) -> tuple[str, list[tuple[str, float]]]:
        with self._lock:
            n = len(self._ids)
            mask = self._tenant[:n] == tenant
            if days is not None:
                mask &= (self._day[:n] >= days.first) & (self._day[:n] <= days.last)
            scores = self._unit[:n] @ (v / (np.linalg.norm(v) or 1.0)).astype(np.float32)
            rows = np.flatnonzero(mask)
            best = rows[np.argpartition(-scores[rows], k)[:k]] if len(rows) > k else rows
            best = best[np.argsort(-scores[best])]
            return "memory", [(self._ids[b], float(scores[b])) for b in best]
