"""The helpdesk's demo: it answers one request at a time, and only when the whole answer is
there.
"""

import os
import threading
from typing import Literal

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from model import Model
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel, Field

CONTEXT = 2048
app = FastAPI()
model = Model(CONTEXT, 1)
turn = threading.Lock()
REQUESTS = Counter("chat_requests_total", "Chat requests")


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=20000)


class Chat(BaseModel):
    messages: list[Message] = Field(min_length=1, max_length=100)
    max_tokens: int = Field(64, ge=1, le=512)
    temperature: float = Field(0, ge=0, le=0)
    stream: bool = False


def complete(prompt: list[int], max_tokens: int) -> tuple[bytes, int, str]:
    """The text, its number of tokens, and why it ended."""
    text, count, done = b"", 0, 0
    while done < len(prompt):
        part = prompt[done : done + model.batch_size]
        model.decode([(t, done + i, 0, i == len(part) - 1) for i, t in enumerate(part)])
        done += len(part)
    token = model.best(len(part) - 1)
    while not model.is_end(token):
        text += model.piece(token)
        count += 1
        if count == max_tokens:
            return text, count, "length"
        model.decode([(token, done, 0, True)])
        done += 1
        token = model.best(0)
    return text, count, "stop"


@app.post("/v1/chat/completions")
def chat(body: Chat) -> Response:
    REQUESTS.inc()
    turns = "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in body.messages)
    prompt = model.tokenize(turns + "<|im_start|>assistant\n")
    if len(prompt) + body.max_tokens > CONTEXT:
        return JSONResponse(
            {"error": {"message": f"prompt and answer exceed {CONTEXT} tokens"}}, 400
        )
    with turn:
        text, count, finish = complete(prompt, body.max_tokens)
        model.forget(0)
    message = {"role": "assistant", "content": text.decode("utf-8", "replace")}
    usage = {
        "prompt_tokens": len(prompt),
        "completion_tokens": count,
        "total_tokens": len(prompt) + count,
    }
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})


@app.get("/healthz")
@app.get("/readyz")
def alive() -> dict[str, bool]:
    return {"ok": True}


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning")
