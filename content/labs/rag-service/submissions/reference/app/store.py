"""Clauses in PostgreSQL: text, vector, lexemes, and who repeals whom. All state lives here."""

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

from app.repeals import repealed_by

CONNECTIONS = 4
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS clauses (
    id text PRIMARY KEY, title text NOT NULL, body text NOT NULL, embedding vector(384) NOT NULL,
    lexemes tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED);
CREATE TABLE IF NOT EXISTS repeals (
    old text NOT NULL, new text NOT NULL REFERENCES clauses ON DELETE CASCADE, PRIMARY KEY (old, new));
CREATE INDEX IF NOT EXISTS clauses_lexemes ON clauses USING gin (lexemes);
CREATE OR REPLACE VIEW in_force AS
    SELECT * FROM clauses c WHERE NOT EXISTS (SELECT 1 FROM repeals r WHERE r.old = c.id);
"""
DENSE = "SELECT id FROM in_force ORDER BY embedding <=> %s LIMIT %s"
# Clauses are short, so a word's count in one says little; its rarity among all says much.
LEXICAL = """
WITH terms AS (SELECT unnest(tsvector_to_array(to_tsvector('english', %s))) AS term),
hits AS (SELECT t.term, c.id FROM terms t JOIN in_force c ON c.lexemes @@ quote_literal(t.term)::tsquery),
weights AS (SELECT term, ln(1 + (SELECT count(*) FROM in_force) / count(*)::float) AS weight FROM hits GROUP BY term)
SELECT id FROM hits JOIN weights USING (term) GROUP BY id ORDER BY sum(weight) DESC, id LIMIT %s
"""
UPSERT = """
INSERT INTO clauses (id, title, body, embedding) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, embedding = excluded.embedding
"""


@dataclass(frozen=True)
class Clause:
    id: str
    title: str
    text: str


class Store:
    """A small pool of connections.

    A connection that broke is replaced, and the work is tried once more.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url or os.environ["DATABASE_URL"]
        self._idle: queue.LifoQueue[psycopg.Connection | None] = queue.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(None)

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=3)
        register_vector(connection)
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

    def put(self, clauses: list[tuple[Clause, np.ndarray]]) -> None:
        """Insert or replace, all or nothing, with the repeals that the texts declare."""
        with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            for clause, vector in clauses:
                cursor.execute(UPSERT, (clause.id, clause.title, clause.text, vector))
                cursor.execute("DELETE FROM repeals WHERE new = %s", (clause.id,))
                for old in sorted(repealed_by(clause.id, clause.text)):
                    cursor.execute("INSERT INTO repeals VALUES (%s, %s)", (old, clause.id))

    def delete(self, clause_id: str) -> bool:
        with self._connection() as connection:
            return (
                connection.execute("DELETE FROM clauses WHERE id = %s", (clause_id,)).rowcount > 0
            )

    def dense(self, vector: np.ndarray, depth: int) -> list[str]:
        with self._connection() as connection:
            return [row[0] for row in connection.execute(DENSE, (vector, depth))]

    def lexical(self, text: str, depth: int) -> list[str]:
        with self._connection() as connection:
            return [row[0] for row in connection.execute(LEXICAL, (text, depth))]

    def get(self, ids: list[str]) -> list[Clause]:
        """The clauses of these ids, in this order; unknown ids are left out."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT id, title, body FROM clauses WHERE id = ANY(%s)", (ids,)
            ).fetchall()
        found = {row[0]: Clause(*row) for row in rows}
        return [found[i] for i in ids if i in found]
