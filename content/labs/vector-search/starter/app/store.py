"""Vectors in memory, compared by Euclidean distance. It works in the demo."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np


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
    def __init__(self) -> None:
        self._items: dict[str, tuple[str, Item]] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """A database would be prepared here."""

    def alive(self) -> bool:
        return True

    def put(self, tenant: str, items: list[Item]) -> None:
        with self._lock:
            for item in items:
                self._items[item.id] = (tenant, item)

    def delete(self, item_id: str) -> bool:
        with self._lock:
            return self._items.pop(item_id, None) is not None

    def search(
        self, tenant: str, v: np.ndarray, k: int, days: Range | None
    ) -> tuple[str, list[tuple[str, float]]]:
        """The fifty nearest of everybody, then those that fit."""
        with self._lock:
            items = list(self._items.values())
        nearest = sorted(items, key=lambda pair: float(np.linalg.norm(pair[1].v - v)))[:50]
        hits = [
            (item.id, float(item.v @ v / (np.linalg.norm(item.v) * np.linalg.norm(v))))
            for owner, item in nearest
            if owner == tenant and (days is None or days.first <= item.day <= days.last)
        ]
        return "memory", hits[:k]
