"""A right rag service of another make: threads of the standard library, everything in memory, BM25
and MiniLM.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

WORD = re.compile(r"[a-z0-9]+")
CLAUSE = re.compile(r"\b[A-Z]{2}-\d{4}\b")
REPEAL = re.compile(
    r"replaces clause|supersedes clause|is repealed by this clause|takes the place of clause", re.I
)
STOP = frozenset(
    WORD.findall(
        "a an and are as at be by for from has have how i in is it my of on or that the this to "
        "what"
    )
)


def words(text: str) -> list[str]:
    """Lower-case words without a plural s, and without those that say nothing."""
    found = [w for w in WORD.findall(text.lower()) if w not in STOP]
    return [w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found]


class Encoder:
    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(os.environ["MINILM_TOKENIZER"])
        self.tokenizer.enable_truncation(256)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MINILM_PATH"], options)
        self.names = {i.name for i in self.session.get_inputs()}
        self.lock = threading.Lock()

    def __call__(self, text: str) -> np.ndarray:
        with self.lock:
            encoded = self.tokenizer.encode(text)
            ids = np.array([encoded.ids], dtype=np.int64)
            mask = np.array([encoded.attention_mask], dtype=np.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            out = self.session.run(None, {n: v for n, v in feed.items() if n in self.names})[0]
        vector = (out[0] * mask[0][:, None]).sum(0) / mask.sum() if out.ndim == 3 else out[0]
        return vector / np.linalg.norm(vector)


class Library:
    """Documents by id, and for each old id the set of those that repealed it."""

    def __init__(self) -> None:
        self.docs: dict[str, tuple[str, str, np.ndarray, Counter]] = {}
        self.repealed_by: dict[str, set[str]] = {}
        self.lock = threading.RLock()

    def put(self, docs: list[tuple[str, str, str, np.ndarray]]) -> None:
        with self.lock:
            for doc_id, title, text, vector in docs:
                self.docs[doc_id] = (title, text, vector, Counter(words(f"{title} {text}")))
                for others in self.repealed_by.values():
                    others.discard(doc_id)
                for sentence in re.split(r"(?<=\.)\s", text):
                    if REPEAL.search(sentence):
                        for old in CLAUSE.findall(sentence):
                            if old != doc_id:
                                self.repealed_by.setdefault(old, set()).add(doc_id)

    def delete(self, doc_id: str) -> bool:
        with self.lock:
            return self.docs.pop(doc_id, None) is not None

    def search(self, question: str, vector: np.ndarray, k: int) -> list[str]:
        with self.lock:
            live = [i for i in self.docs if not self.repealed_by.get(i)]
            if not live:
                return []
            bags = [self.docs[i][3] for i in live]
            dense = np.stack([self.docs[i][2] for i in live]) @ vector
        sparse = np.zeros(len(live))
        mean = sum(sum(bag.values()) for bag in bags) / len(bags)
        for word in set(words(question)):
            holding = sum(word in bag for bag in bags)
            if holding:
                weight = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
                for n, bag in enumerate(bags):
                    f = bag.get(word, 0)
                    sparse[n] += (
                        weight * f * 2.2 / (f + 1.2 * (0.6 + 0.4 * sum(bag.values()) / mean))
                    )
        score = np.zeros(len(live))
        for ranking, weight in ((dense, 2.0), (sparse, 1.2)):
            for rank, n in enumerate(np.argsort(-ranking)):
                score[n] += weight / (20 + rank)
        return [live[n] for n in np.argsort(-score)[:k]]


LIBRARY = Library()
ENCODER: list[Encoder] = []
SERVED = Counter()


def ask_model(question: str, ids: list[str]) -> str:
    lines = [f"[{i}] {LIBRARY.docs[i][1]}" for i in ids if i in LIBRARY.docs]
    content = "\n".join([*lines, f"Question: {question}"])
    body = json.dumps(
        {"model": "reader", "messages": [{"role": "user", "content": content}]}
    ).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {os.environ['MODEL_API_KEY']}",
    }
    request = urllib.request.Request(os.environ["MODEL_URL"] + "/chat/completions", body, headers)
    for attempt in range(8):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            if error.code != 429 and error.code < 500:
                raise
            time.sleep(max(float(error.headers.get("Retry-After") or 0), 0.1 * 1.6**attempt))
        except OSError:
            time.sleep(0.1 * 1.6**attempt)
    raise TimeoutError


def answer(question: str) -> dict:
    nothing = {"answer": None, "citations": [], "abstained": True}
    ids = LIBRARY.search(question, ENCODER[0](question), 4)
    if not ids:
        return nothing
    match = re.fullmatch(r"\s*(.+?)\s*\[([^\[\]]+)\]\s*", ask_model(question, ids))
    if not match or match[2] not in LIBRARY.docs:
        return nothing
    title, text = LIBRARY.docs[match[2]][:2]
    names = set(
        re.findall(r"\b[A-Z][a-z]+\b", re.sub(r"(^|[.?!:] )[A-Z](?=[a-z]* [a-z])", "", question))
    )
    if match[1].lower() not in text.lower() or not names <= set(
        re.findall(r"\b[A-Z][a-z]+\b", f"{title} {text}")
    ):
        return nothing
    return {"answer": match[1], "citations": [match[2]], "abstained": False}


def text_of(value: object, low: int, high: int) -> bool:
    return isinstance(value, str) and low <= len(value) <= high


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, value: object, kind: str = "application/json") -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.say(200, {"ok": True})
        elif self.path == "/readyz":
            self.say(200 if ENCODER else 503, {"ready": bool(ENCODER)})
        elif self.path == "/metrics":
            lines = [
                "# TYPE served_total counter",
                *(f'served_total{{path="{p}"}} {n}' for p, n in SERVED.items()),
            ]
            self.say(200, "\n".join(lines) + "\n", "text/plain; version=0.0.4")
        else:
            self.say(404, {"error": "no such route"})

    def do_DELETE(self) -> None:
        gone = LIBRARY.delete(self.path.removeprefix("/docs/"))
        self.say(200 if gone else 404, {"deleted": gone})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        SERVED[self.path] += 1
        if not ENCODER:
            return self.say(503, {"error": "starting"})
        try:
            body = dict(json.loads(raw))
        except (ValueError, TypeError):
            return self.say(400, {"error": "send a JSON object"})
        route = {"/ingest": self.ingest, "/search": self.search, "/ask": self.ask}.get(self.path)
        return route(body) if route else self.say(404, {"error": "no such route"})

    def ingest(self, body: dict) -> None:
        docs = body.get("docs")
        good = (
            isinstance(docs, list)
            and 1 <= len(docs) <= 500
            and all(
                isinstance(d, dict)
                and text_of(d.get("id"), 1, 100)
                and text_of(d.get("title"), 0, 500)
                and text_of(d.get("text"), 1, 20_000)
                for d in docs
            )
        )
        if not good:
            return self.say(400, {"error": "a document is not as specified; nothing was taken"})
        LIBRARY.put(
            [
                (d["id"], d["title"], d["text"], ENCODER[0](f"{d['title']}. {d['text']}"))
                for d in docs
            ]
        )
        self.say(200, {"ingested": len(docs)})

    def search(self, body: dict) -> None:
        k = body.get("k", 5)
        if not text_of(body.get("q"), 1, 2000) or type(k) is not int or not 1 <= k <= 50:
            return self.say(400, {"error": "send q, and k from 1 to 50"})
        self.say(200, {"ids": LIBRARY.search(body["q"], ENCODER[0](body["q"]), k)})

    def ask(self, body: dict) -> None:
        if not text_of(body.get("q"), 1, 2000):
            return self.say(400, {"error": "send q"})
        try:
            self.say(200, answer(body["q"]))
        except TimeoutError:
            self.say(503, {"error": "the model stays away"})


threading.Thread(target=lambda: ENCODER.append(Encoder()), daemon=True).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
