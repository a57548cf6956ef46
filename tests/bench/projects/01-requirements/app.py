"""Reverses a text."""

import numpy as np
from fastapi import FastAPI, Response
from pydantic import BaseModel

app = FastAPI()
counted = {"reversed": 0}


class Text(BaseModel):
    text: str


@app.get("/healthz")
@app.get("/readyz")
def alive() -> dict[str, bool]:
    return {"ok": True}


@app.get("/metrics")
def metrics() -> Response:
    total = counted["reversed"]
    text = f"# TYPE reversed_total counter\nreversed_total {total}\n"
    return Response(text, media_type="text/plain; version=0.0.4")


@app.post("/reverse")
def reverse(body: Text) -> Text:
    counted["reversed"] += 1
    return Text(text="".join(np.array(list(body.text))[::-1]))
