"""A small service in this process, with subclasses that misbehave, and a context over it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

from grader.http.client import Target
from grader.probe.readiness import Readiness

OPENAPI = """
paths:
  /items/{id}:
    post:
      responses:
        "200":
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Item"}
        "4XX": {content: {application/json: {schema: {type: object}}}}
components:
  schemas:
    Item: {type: object, required: [id, n], properties: {id: {type: string}, n: {type: integer}}}
"""


class Service(BaseHTTPRequestHandler):
    """Behaves; subclasses below don't."""

    protocol_version = "HTTP/1.1"
    delay_s = 0.0
    wbufsize = (
        65536  # head and body in one segment, or the delayed ACK of the other side is measured
    )

    def reply(self, status: int, body: str, kind: str = "application/json") -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.reply(200, 'up{job="x"} 1\n', "text/plain; version=0.0.4")
        else:
            self.reply(200, "{}")

    def do_POST(self) -> None:
        import time

        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.delay_s)
        try:
            n = json.loads(body)["n"]
        except (ValueError, KeyError):
            self.reply(422, "{}")
            return
        self.answer(n)

    def answer(self, n: int) -> None:
        self.reply(200, json.dumps({"id": self.path.split("/")[-1], "n": n}))

    def log_message(self, *_: Any) -> None:
        pass


class WrongType(Service):
    def answer(self, n: int) -> None:
        self.reply(200, json.dumps({"id": 7, "n": n}))


class WrongContentType(Service):
    def answer(self, n: int) -> None:
        self.reply(200, json.dumps({"id": "a", "n": n}), "text/html")


class AcceptsAnything(Service):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(1)


class NoMetrics(Service):
    def do_GET(self) -> None:
        self.reply(200, "hello", "text/plain")


class DeclaredMetrics(Service):
    """A counter with labels before its first event: declared, without a sample."""

    def do_GET(self) -> None:
        self.reply(200, "# HELP seen Requests.\n# TYPE seen counter\n", "text/plain; version=0.0.4")


class Keyed(Service):
    """A baseline: closed to whoever does not send the key."""

    def answer(self, n: int) -> None:
        if self.headers.get("x-baseline-key") == "k":
            super().answer(n)
        else:
            self.reply(403, "{}")


class Slow(Service):
    delay_s = 0.03


@contextmanager
def context(service: type[Service], baseline: type[Service] = Service) -> Iterator[Any]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), s) for s in (service, baseline)]
    for server in servers:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    app = Target("app", "127.0.0.1", servers[0].server_address[1])
    base = Target("r", "127.0.0.1", servers[1].server_address[1], headers={"X-Baseline-Key": "k"})
    yield SimpleNamespace(
        app=app,
        replicas=("app",),
        target=lambda name: base,
        spec=SimpleNamespace(contract="openapi.yaml", baseline=SimpleNamespace(name="r")),
        lab_file=lambda path: OPENAPI.encode(),
        shared={"readiness": Readiness(statuses=[503, 200])},
        rng=random.Random,
    )
    for server in servers:
        server.shutdown()
        server.server_close()


def case(**more: Any) -> dict[str, Any]:
    return {"path": "/items/a", "json": {"n": 3}, **more}
