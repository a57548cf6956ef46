"""The HTTP side: routes, bounds of the input, readiness, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field, StrictInt

from app.batcher import Batcher
from app.embedder import Embedder
from app.scorer import Scorer, trim

MOST_BYTES = 256 << 20
SCORED = Counter("scored_rows", "Rows that were scored")
EMBEDDED = Counter("embedded_texts", "Texts that were embedded")


class Row(BaseModel):
    ids: Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(min_length=1, max_length=256)]


class Texts(BaseModel):
    texts: Annotated[
        list[Annotated[str, Field(max_length=4000)]], Field(min_length=1, max_length=64)
    ]


batcher = Batcher()
embedder = Embedder()
changing = asyncio.Lock()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    working = asyncio.create_task(batcher.work())
    await embedder.embed(["warm up"])
    trim()
    yield
    working.cancel()


app = FastAPI(title="Fraud scorer", lifespan=lifespan)


@app.get("/healthz")
@app.get("/readyz")
async def alive() -> dict[str, bool]:
    return {"ready": True}


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.put("/model")
async def put_model(request: Request) -> dict[str, int]:
    """Take the file as a stream, convert it in another process, load what came out.

    The old model serves meanwhile.
    """
    async with changing:
        with tempfile.TemporaryDirectory() as folder:
            upload, small = os.path.join(folder, "fp32.onnx"), os.path.join(folder, "int8.onnx")
            await _save(request, upload)
            await _convert(upload, small)
            os.unlink(upload)
            batcher.scorer = await asyncio.to_thread(Scorer, small)
    return {"ids": batcher.scorer.width}


async def _save(request: Request, path: str) -> None:
    size = 0
    with open(path, "wb") as file:
        async for piece in request.stream():
            size += len(piece)
            if size > MOST_BYTES:
                raise HTTPException(413, "the file is larger than 256 MB")
            file.write(piece)


async def _convert(upload: str, small: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.quantise", upload, small
    )
    try:
        if await process.wait() != 0:
            raise HTTPException(422, "this is no ONNX file of a scorer")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


@app.post("/score")
async def score(row: Row) -> Any:
    if batcher.scorer is None:
        return JSONResponse({"error": "there is no model yet"}, 503)
    if max(row.ids) >= batcher.scorer.width:
        raise HTTPException(422, f"ids go from 0 to {batcher.scorer.width - 1}")
    found = await batcher.score(row.ids)
    SCORED.inc()
    return {"score": found, "decision": "fraud" if found >= 0.5 else "ok"}


@app.post("/embed")
async def embed(body: Texts) -> Any:
    vectors = await embedder.embed(body.texts)
    EMBEDDED.inc(len(body.texts))
    return JSONResponse({"vectors": [[round(float(x), 6) for x in v] for v in vectors]})
