"""The index: clauses in memory, ranked by the number of words they share with the question."""

from __future__ import annotations

import re
import threading

WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


class Index:
    """It forgets everything at a restart, and knows nothing of repealed clauses."""

    def __init__(self) -> None:
        self._docs: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def put(self, doc_id: str, title: str, text: str) -> None:
        with self._lock:
            self._docs[doc_id] = (title, text)

    def delete(self, doc_id: str) -> bool:
        with self._lock:
            return self._docs.pop(doc_id, None) is not None

    def search(self, question: str, k: int) -> list[tuple[str, str]]:
        """The ``k`` best (id, text), best first."""
        wanted = words(question)
        with self._lock:
            docs = list(self._docs.items())
        ranked = sorted(docs, key=lambda item: -len(wanted & words(item[1][0] + " " + item[1][1])))
        return [(doc_id, text) for doc_id, (_, text) in ranked[:k]]
