"""Vectors in PostgreSQL. All state lives there: what was acknowledged is committed."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

CONNECTIONS = 4
FEW = 1200
"""So many candidates are scanned faster than an index is walked, and a scan misses none."""
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS items (
    id text PRIMARY KEY, tenant text NOT NULL, day int NOT NULL, v vector(384) NOT NULL);
CREATE INDEX IF NOT EXISTS items_tenant_day ON items (tenant, day);
CREATE INDEX IF NOT EXISTS items_v ON items USING hnsw (v vector_cosine_ops);
"""
# Without statistics the planner takes sorting for cheap; the vector index needs none.
SESSION = """
SET hnsw.ef_search = 100;
SET hnsw.iterative_scan = strict_order;
SET enable_sort = off;
SET plan_cache_mode = force_custom_plan;
"""
UPSERT = """
INSERT INTO items (id, tenant, day, v) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, day = excluded.day, v = excluded.v
"""
CANDIDATES = (
    "SELECT count(*) FROM (SELECT 1 FROM items WHERE tenant = %s AND day BETWEEN %s AND %s LIMIT "
    "%s) few"
)
# The inner query is fenced off, so that the planner can't turn it into a walk of the vector index.
EXACT = """
WITH few AS MATERIALIZED (SELECT id, v FROM items WHERE tenant = %s AND day BETWEEN %s AND %s)
SELECT id, 1 - (v <=> %s) FROM few ORDER BY v <=> %s LIMIT %s
"""
APPROXIMATE = """
SELECT id, 1 - (v <=> %s) FROM items WHERE tenant = %s AND day BETWEEN %s AND %s ORDER BY v <=> %s LIMIT %s
"""


@dataclass(frozen=True)
class Item:
    id: str
    v: np.ndarray
    day: int


@dataclass(frozen=True)
class Range:
    first: int
    last: int


EVER = Range(0, 2**31 - 1)


class Store:
    """A small pool of connections.

    A connection that broke is replaced, and the work is tried once more.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url or os.environ["DATABASE_URL"]
        self._idle: queue.LifoQueue[psycopg.Connection | None] = queue.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(None)

    def prepare(self, patience_s: float = 30.0) -> None:
        """Create what is missing. The database may still be starting."""
        give_up = time.monotonic() + patience_s
        while True:
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=3) as connection:
                    connection.execute(SCHEMA)
                return
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.3)

    def alive(self) -> bool:
        try:
            with self._connection() as connection:
                connection.execute("SELECT 1")
            return True
        except (psycopg.Error, queue.Empty):
            return False

    def put(self, tenant: str, items: list[Item]) -> None:
        """Insert or replace, all or nothing. When this returns, the rows are committed."""
        with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            cursor.executemany(UPSERT, [(i.id, tenant, i.day, i.v) for i in items])

    def delete(self, item_id: str) -> bool:
        with self._connection() as connection:
            return connection.execute("DELETE FROM items WHERE id = %s", (item_id,)).rowcount > 0

    def search(
        self, tenant: str, v: np.ndarray, k: int, days: Range | None
    ) -> tuple[str, list[tuple[str, float]]]:
        """The plan that was used, and (id, cosine similarity), best first."""
        first, last = (days or EVER).first, (days or EVER).last
        with self._connection() as connection:
            row = connection.execute(CANDIDATES, (tenant, first, last, FEW)).fetchone()
            if row is not None and row[0] < FEW:
                return "exact", connection.execute(EXACT, (tenant, first, last, v, v, k)).fetchall()
            return "hnsw", connection.execute(
                APPROXIMATE, (v, tenant, first, last, v, k)
            ).fetchall()

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=3)
        register_vector(connection)
        connection.execute(SESSION)
        return connection

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = self._idle.get(timeout=20)
        try:
            if connection is None or connection.closed:
                connection = self._connect()
            yield connection
        except psycopg.OperationalError:
            if connection is not None:
                connection.close()
            connection = None
            raise
        finally:
            self._idle.put(connection)
