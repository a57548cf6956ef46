"""Reverses a text."""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel

app = FastAPI()
REVERSED = Counter("reversed_total", "Texts reversed")


class Text(BaseModel):
    text: str


@app.get("/healthz")
@app.get("/readyz")
def alive() -> dict[str, bool]:
    return {"ok": True}


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/reverse")
def reverse(body: Text) -> Text:
    REVERSED.inc()
    return Text(text=body.text[::-1])
