"""The HTTP side: routes, bounds of the input, readiness, metrics."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import anyio.to_thread
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field, StrictInt

from app.embedder import Embedder
from app.scorer import Scorer

MOST_BYTES = 256 << 20
SCORED = Counter("scored_rows", "Rows that were scored")


class Row(BaseModel):
    ids: Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(min_length=1, max_length=256)]


class Texts(BaseModel):
    texts: Annotated[
        list[Annotated[str, Field(max_length=4000)]], Field(min_length=1, max_length=64)
    ]


class State:
    scorer: Scorer | None = None


embedder = Embedder()
app = FastAPI(title="Fraud scorer")
one_by_one = ThreadPoolExecutor(1)


@app.get("/healthz")
@app.get("/readyz")
async def alive() -> dict[str, bool]:
    return {"ready": True}


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.put("/model")
async def put_model(request: Request) -> dict[str, int]:
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        async for piece in request.stream():
            file.write(piece)
            if file.tell() > MOST_BYTES:
                raise HTTPException(413, "the file is larger than 256 MB")
        file.flush()
        try:
            State.scorer = await anyio.to_thread.run_sync(Scorer, file.name)
        except Exception as error:
            raise HTTPException(422, "this is no ONNX file of a scorer") from error
    return {"ids": State.scorer.width}


@app.post("/score")
def score(row: Row) -> Any:
    scorer = State.scorer
    if scorer is None:
        return JSONResponse({"error": "there is no model yet"}, 503)
    if max(row.ids) >= scorer.width:
        raise HTTPException(422, f"ids go from 0 to {scorer.width - 1}")
    found = one_by_one.submit(scorer.run, row.ids).result()
    SCORED.inc()
    return {"score": found, "decision": "fraud" if found >= 0.5 else "ok"}


@app.post("/embed")
def embed(body: Texts) -> Any:
    vectors = embedder.embed(body.texts)
    return JSONResponse({"vectors": [[round(float(x), 6) for x in v] for v in vectors]})
