"""Routes and validation."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from app.model import complete
from app.search import Index

app = FastAPI(title="Answers with evidence")
index = Index()

Question = Annotated[str, Field(min_length=1, max_length=2000)]


class Doc(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=100)]
    title: Annotated[str, Field(max_length=500)]
    text: Annotated[str, Field(min_length=1, max_length=20_000)]


class Ingest(BaseModel):
    docs: Annotated[list[Doc], Field(min_length=1, max_length=500)]


class Search(BaseModel):
    q: Question
    k: Annotated[int, Field(ge=1, le=50)] = 5


class Ask(BaseModel):
    q: Question


@app.exception_handler(httpx.HTTPError)
def gateway_failed(_: Request, error: httpx.HTTPError) -> JSONResponse:
    return JSONResponse({"error": "the model gateway failed"}, 503)


@app.get("/healthz")
@app.get("/readyz")
def healthy() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/ingest")
def ingest(body: Ingest) -> dict[str, int]:
    for doc in body.docs:
        index.put(doc.id, doc.title, doc.text)
    return {"ingested": len(body.docs)}


@app.delete("/docs/{doc_id}")
def delete(doc_id: str) -> Response:
    return (
        Response(status_code=204)
        if index.delete(doc_id)
        else JSONResponse({"error": "no such document"}, 404)
    )


@app.post("/search")
def search(body: Search) -> dict[str, list[str]]:
    return {"ids": [doc_id for doc_id, _ in index.search(body.q, body.k)]}


@app.post("/ask")
def ask(body: Ask) -> dict[str, Any]:
    found = index.search(body.q, 5)
    reply = complete("\n".join(f"[{doc_id}] {text}" for doc_id, text in found), body.q)
    span = reply.partition("[")[0].strip()
    return {"answer": span, "citations": [doc_id for doc_id, _ in found], "abstained": False}
