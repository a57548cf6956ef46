"""The HTTP side: routes, bounds of the input, readiness, metrics."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field, FiniteFloat, model_validator

from app.store import Item, Range, Store

DIMENSIONS = 384
SEARCHES = Counter("vector_searches", "Searches by plan", ["plan"])
WRITTEN = Counter("vector_items_written", "Items written")

Name = Annotated[str, Field(min_length=1, max_length=100)]
Vector = Annotated[list[FiniteFloat], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]
Day = Annotated[int, Field(ge=0, le=100_000)]


class NewItem(BaseModel):
    id: Name
    v: Vector
    day: Day


class Upsert(BaseModel):
    tenant: Name
    items: Annotated[list[NewItem], Field(min_length=1, max_length=500)]


class Filter(BaseModel):
    day_from: Day
    day_to: Day

    @model_validator(mode="after")
    def _ordered(self) -> Filter:
        if self.day_from > self.day_to:
            raise ValueError("day_from must not be after day_to")
        return self


class Search(BaseModel):
    tenant: Name
    v: Vector
    k: Annotated[int, Field(ge=1, le=100)] = 10
    filter: Filter | None = None


store = Store()
ready = threading.Event()


def _prepare() -> None:
    store.prepare()
    ready.set()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    threading.Thread(target=_prepare, daemon=True).start()
    yield


app = FastAPI(title="Filtered vector search", lifespan=lifespan)


@app.exception_handler(psycopg.OperationalError)
def database_unavailable(_: Request, error: psycopg.OperationalError) -> JSONResponse:
    return JSONResponse(
        {"error": "the database does not answer"}, 503, headers={"Retry-After": "1"}
    )


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
def readyz() -> JSONResponse:
    fit = ready.is_set() and store.alive()
    return JSONResponse({"ready": fit}, 200 if fit else 503)


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/vectors")
def upsert(body: Upsert) -> dict[str, int]:
    store.put(body.tenant, [Item(i.id, np.asarray(i.v, np.float32), i.day) for i in body.items])
    WRITTEN.inc(len(body.items))
    return {"written": len(body.items)}


@app.delete("/vectors/{item_id}", status_code=204)
def delete(item_id: str) -> Response:
    if store.delete(item_id):
        return Response(status_code=204)
    return JSONResponse({"error": "no such vector"}, 404)


@app.post("/search")
def search(body: Search) -> dict[str, Any]:
    days = Range(body.filter.day_from, body.filter.day_to) if body.filter else None
    plan, hits = store.search(body.tenant, np.asarray(body.v, np.float32), body.k, days)
    SEARCHES.labels(plan).inc()
    return {"hits": [{"id": found, "score": score} for found, score in hits]}
