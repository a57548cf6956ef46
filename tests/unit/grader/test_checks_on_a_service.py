"""Library checks against a small service on this machine: each passes where it is right, and fails where it isn't."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import TABLE, find
from grader.checks.contract import Contract, ContractParams
from grader.checks.functional import Functional, FunctionalParams
from grader.checks.health import Health, HealthParams
from grader.checks.latency import LatencyParams, LatencyRatio
from grader.checks.throughput import ThroughputParams, ThroughputRatio
from grader.load import compare
from grader.probe.http import Target
from grader.probe.readiness import Readiness
from grader.result import Outcome

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
    wbufsize = 65536  # head and body in one segment, or the delayed ACK of the other side is measured

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


class Slow(Service):
    delay_s = 0.03


@contextmanager
def context(service: type[Service], baseline: type[Service] = Service) -> Iterator[Any]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), s) for s in (service, baseline)]
    for server in servers:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    app, base = (Target(n, "127.0.0.1", s.server_address[1]) for n, s in zip(("app", "r"), servers, strict=True))
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


CONTRACT = [case(), case(raw="{", title="malformed", status="4xx")]


@pytest.mark.parametrize(
    ("service", "outcome", "says"),
    [
        (Service, Outcome.PASSED, ""),
        (WrongType, Outcome.FAILED, "breaks the schema at /id"),
        (WrongContentType, Outcome.FAILED, "content type is 'text/html'"),
        (AcceptsAnything, Outcome.FAILED, "malformed: answered 200, expected 4xx"),
    ],
)
async def test_contract(service: type[Service], outcome: Outcome, says: str) -> None:
    with context(service) as ctx:
        found = await Contract(ContractParams.model_validate({"cases": CONTRACT})).run(ctx)
    assert found.outcome is outcome
    assert says in found.message
    assert bool(found.advice) == (outcome is Outcome.FAILED)


async def test_health() -> None:
    with context(Service) as ctx:
        assert (await Health(HealthParams()).run(ctx)).outcome is Outcome.PASSED
        ctx.shared["readiness"].statuses = [404, 503, 200]
        assert "answered 404; only 503" in (await Health(HealthParams()).run(ctx)).message
    with context(NoMetrics) as ctx:
        assert "no Prometheus sample" in (await Health(HealthParams()).run(ctx)).message


async def test_functional() -> None:
    right = {"cases": [case(expect={"/n": 3}), case(expect={"/id": "a"})]}
    wrong = {"cases": [case(expect={"/n": 3}), case(expect={"/n": 4})]}
    with context(Service) as ctx:
        assert (await Functional(FunctionalParams.model_validate(right)).run(ctx)).outcome is Outcome.PASSED
        found = await Functional(FunctionalParams.model_validate(wrong)).run(ctx)
    assert found.outcome is Outcome.FAILED
    assert "/n is 3, expected 4" in found.message
    assert found.exchange is not None


@pytest.mark.parametrize(("service", "outcome"), [(Service, Outcome.PASSED), (Slow, Outcome.FAILED)])
async def test_latency_ratio(service: type[Service], outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"cases": [case()], "threshold": 3.0, "rate_per_s": 100, "per_window": 4, "warm_s": 0.1}
    monkeypatch.setattr(compare, "MIN_WINDOW_S", 0.08)
    monkeypatch.setattr(compare, "LATE_S", 1.0)  # a busy machine is another test's matter
    with context(service) as ctx:
        found = await LatencyRatio(LatencyParams.model_validate(params)).run(ctx)
    assert found.outcome is outcome, found.message


@pytest.mark.parametrize(("service", "outcome"), [(Service, Outcome.PASSED), (Slow, Outcome.FAILED)])
async def test_throughput_ratio(service: type[Service], outcome: Outcome) -> None:
    params = {"cases": [case()], "threshold": 0.5, "clients": 2, "slice_s": 0.06}
    with context(service) as ctx:
        found = await ThroughputRatio(ThroughputParams.model_validate(params)).run(ctx)
    assert found.outcome is outcome, found.message


async def test_a_service_that_dies_under_load_fails() -> None:
    with context(WrongContentType) as ctx:
        ctx.app = Target("app", "127.0.0.1", 9)
        params = LatencyParams.model_validate({"cases": [case()], "threshold": 1.0, "warm_s": 0.1})
        found = await LatencyRatio(params).run(ctx)
    assert found.outcome is Outcome.FAILED
    assert "could not connect" in found.message


@pytest.mark.parametrize("check_id", TABLE)
def test_every_line_of_the_table_leads_to_its_check(check_id: str) -> None:
    assert find(check_id).id == check_id
