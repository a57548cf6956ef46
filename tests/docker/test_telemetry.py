"""Prometheus and the trace receiver as they really run: in a pod without a network, a service
beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import podkit
import pytest
from sidecarkit import command, greet, sidecar_party

from grader.lab import Sidecar

pytestmark = pytest.mark.docker

SERVICE = """
import base64, http.client, http.server, json, os, threading, time
began = time.time()
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "# TYPE jobs_total counter\\n"
        text += "jobs_total{kind=\\"a\\"} %d\\n" % ((time.time() - began) * 10)
        text += "written_in_the_past 1 1000\\nscrape_samples_post_metric_relabeling 1\\nup 7\\n"
        text += "ALERTS{alertname=\\"mine\\",alertstate=\\"firing\\"} 1\\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *_):
        pass
threading.Thread(target=http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Metrics).serve_forever, daemon=True).start()
def status(method, path, body=None, password="engine:guess"):
    c = http.client.HTTPConnection("watch", 9090, timeout=5)
    c.request(method, path, body, {"Authorization": "Basic " + base64.b64encode(password.encode()).decode()})
    return c.getresponse().status
found = {path: status(method, path) for method, path in (
    ("GET", "/api/v1/query?query=up"), ("POST", "/-/reload"), ("POST", "/-/quit"), ("POST", "/api/v1/write"),
    ("POST", "/api/v1/admin/tsdb/snapshot"), ("GET", "/metrics"), ("GET", "/graph"))}
print("RESULT " + json.dumps(found), flush=True)
time.sleep(60)
"""
EXPORT = """
import json, urllib.request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator as W3C
provider = TracerProvider(resource=Resource.create({"service.name": "api"}))
exporter = OTLPSpanExporter("http://sink:4318/v1/traces", compression=Compression.Gzip)
provider.add_span_processor(SimpleSpanProcessor(exporter))
context = W3C().extract({"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"})
tracer = provider.get_tracer("t")
with tracer.start_as_current_span("outer", context=context):
    with tracer.start_as_current_span("inner"):
        pass
def post(body, kind):
    request = urllib.request.Request("http://sink:4318/v1/traces", body, {"Content-Type": kind})
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
span = {"traceId": "EE" * 16, "spanId": "11" * 8, "name": "by hand", "startTimeUnixNano": "1000000000"}
body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
found = [post(json.dumps(body).encode(), "application/json"), post(b"x", "text/plain")]
print("RESULT " + json.dumps(found), flush=True)
"""
RULES = """
groups:
  - name: any
    rules:
      - {alert: Busy, expr: 'rate(jobs_total[5s]) > 2', labels: {incident: load}, annotations: {x: '{{ $value }}'}}
      - {alert: Idle, expr: 'rate(jobs_total[5s]) < 2', labels: {incident: idle}}
"""


def eventually(look: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found
    return found


def test_prometheus_scrapes_evaluates_and_lets_nobody_in() -> None:
    watch = Sidecar(name="watch", kind="prometheus", port=9090, config={"target": "app:8080"})
    runtime = podkit.sandbox().image("seatrial/runtime:1")
    with podkit.pod("app", "watch") as pod:
        pod.start(sidecar_party(watch))
        channel = greet(pod, watch)
        pod.start(podkit.party(SERVICE, "app", image=runtime))
        said = eventually(
            lambda: [line for line in pod.logs("app").splitlines() if line.startswith("RESULT ")]
        )
        assert set(json.loads(said[0].removeprefix("RESULT ")).values()) == {401}

        def ask(**payload: Any) -> dict[str, Any]:
            return command(channel, payload)

        refused = ask(command="rules", text=RULES.replace("rate(jobs", "rate((jobs"))
        assert "unclosed left parenthesis" in refused["problem"]
        assert ask(command="alerts") == {"rules": []}
        taken = ask(command="rules", text=RULES)
        assert taken["problem"] == ""
        assert taken["rules"][0] == {"alert": "Busy", "labels": {"incident": "load"}}

        def states() -> dict[str, str]:
            return {rule["alert"]: rule["state"] for rule in ask(command="alerts")["rules"]}

        eventually(lambda: states() == {"Busy": "firing", "Idle": "inactive"})
        value = ask(command="query", expr="sum(jobs_total)")["samples"][0]["value"]
        assert 0 < float(value) < 1000
        assert float(ask(command="query", expr="up")["samples"][0]["value"]) == 1
        counted = ask(command="query", expr="scrape_samples_post_metric_relabeling")["samples"]
        assert [sample["value"] for sample in counted] == ["2"], (
            "a service does not write what Prometheus counts"
        )
        past = ask(command="query", expr="time() - timestamp(written_in_the_past)")["samples"]
        assert float(past[0]["value"]) < 5
        firing = ask(command="range", expr="ALERTS", start=time.time() - 30, end=time.time())[
            "series"
        ]
        assert {one["labels"]["alertname"] for one in firing} == {"Busy"}
        assert pod.state("watch").running


def test_spans_arrive_from_the_real_exporter() -> None:
    sink = Sidecar(name="sink", kind="otlp", port=4318)
    runtime = podkit.sandbox().image("seatrial/runtime:1")
    with podkit.pod("app", "sink") as pod:
        pod.start(sidecar_party(sink))
        channel = greet(pod, sink)
        pod.start(podkit.party(EXPORT, "app", image=runtime, memory_mb=256))
        assert podkit.result(pod, "app") == [200, 400]
        asked = ["ab" * 16, "ee" * 16, "00" * 16]
        reply = command(channel, {"command": "traces", "ids": asked})
        (inner, outer), (by_hand,), nothing = (reply["traces"][one] for one in asked)
        assert inner[1:4] == [outer[0], "api", "inner"]
        assert outer[1:4] == ["cd" * 8, "api", "outer"]
        assert by_hand[:4] == ["11" * 8, "", "", "by hand"]
        assert by_hand[4] == 1.0
        assert nothing == []
        assert (reply["received"], reply["refused"]) == (3, 1)
