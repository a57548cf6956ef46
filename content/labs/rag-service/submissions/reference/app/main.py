"""The HTTP side: routes, bounds of the input, readiness, metrics."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field

from app.answer import ask
from app.embed import Encoder
from app.model import Model, ModelUnavailable
from app.retrieve import search
from app.store import Clause, Store

ANSWERS = Counter("rag_answers", "Answers by kind", ["kind"])
CLAUSES = Counter("rag_clauses_ingested", "Clauses ingested")

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Question = Annotated[str, Field(min_length=1, max_length=2_000)]


class Doc(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=100)]
    title: Annotated[str, Field(max_length=500)]
    text: Text


class Ingest(BaseModel):
    docs: Annotated[list[Doc], Field(min_length=1, max_length=500)]


class Search(BaseModel):
    q: Question
    k: Annotated[int, Field(ge=1, le=50)] = 5


class Ask(BaseModel):
    q: Question


class Parts:
    """What a request needs. ``ready`` is set once the model is warm and the tables exist."""

    store: Store
    encoder: Encoder
    model: Model

    def __init__(self) -> None:
        self.ready = threading.Event()

    def load(self) -> None:
        self.store = Store()
        self.store.prepare()
        self.encoder = Encoder()
        self.model = Model()
        self.ready.set()


parts = Parts()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    threading.Thread(target=parts.load, daemon=True).start()
    yield


app = FastAPI(title="Answers with evidence", lifespan=lifespan)


@app.middleware("http")
async def only_when_ready(request: Request, call_next: Any) -> Response:
    if not parts.ready.is_set() and request.url.path not in ("/healthz", "/readyz", "/metrics"):
        return JSONResponse({"error": "starting"}, 503, headers={"Retry-After": "1"})
    return await call_next(request)


@app.exception_handler(ModelUnavailable)
def model_unavailable(_: Request, error: ModelUnavailable) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "2"})


@app.exception_handler(psycopg.OperationalError)
def database_unavailable(_: Request, error: psycopg.OperationalError) -> JSONResponse:
    return JSONResponse(
        {"error": "the database does not answer"}, 503, headers={"Retry-After": "2"}
    )


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
def readyz() -> JSONResponse:
    ready = parts.ready.is_set() and parts.store.alive()
    return JSONResponse({"ready": ready}, 200 if ready else 503)


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/ingest")
def ingest(body: Ingest) -> dict[str, int]:
    clauses = [Clause(doc.id, doc.title, doc.text) for doc in body.docs]
    parts.store.put([(c, parts.encoder.encode(f"{c.title}. {c.text}")) for c in clauses])
    CLAUSES.inc(len(clauses))
    return {"ingested": len(clauses)}


@app.delete("/docs/{clause_id}", status_code=204)
def delete(clause_id: str) -> Response:
    if parts.store.delete(clause_id):
        return Response(status_code=204)
    return JSONResponse({"error": "no such document"}, 404)


@app.post("/search")
def search_route(body: Search) -> dict[str, list[str]]:
    return {"ids": search(parts.store, parts.encoder, body.q, body.k)}


@app.post("/ask")
def ask_route(body: Ask) -> dict[str, Any]:
    result = ask(parts.store, parts.encoder, parts.model, body.q)
    ANSWERS.labels("abstained" if result.abstained else "answered").inc()
    return {"answer": result.answer, "citations": result.citations, "abstained": result.abstained}
