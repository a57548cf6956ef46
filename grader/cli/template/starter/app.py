"""Starts from here: it gives the text back as it came."""

from fastapi import FastAPI
from prometheus_client import Counter, make_asgi_app
from pydantic import BaseModel

app = FastAPI()
app.mount("/metrics", make_asgi_app())
REVERSED = Counter("reversed_total", "Texts reversed")


class Text(BaseModel):
    text: str


@app.get("/healthz")
@app.get("/readyz")
def alive() -> dict[str, bool]:
    return {"ok": True}


@app.post("/reverse")
def reverse(body: Text) -> Text:
    REVERSED.inc()
    return Text(text=body.text)
