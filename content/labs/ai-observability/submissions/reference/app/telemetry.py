"""What the assistant says about itself: counters, the time to the first token, spans, and one line
of log a request.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Histogram

BOUNDS = (0.02, 0.028, 0.04, 0.056, 0.08, 0.11, 0.16, 0.22, 0.32, 0.45, 0.64, 0.9, 1.3, 1.8, 2.5)
REQUESTS = Counter(
    "assistant_requests", "Requests that were taken on, by how they ended", ["outcome"]
)
TOKENS = Counter("assistant_tokens", "Tokens that the model billed", ["kind"])
TTFT = Histogram("assistant_ttft_seconds", "From the request to the first token", buckets=BOUNDS)
for outcome in ("answered", "abstained", "error"):
    REQUESTS.labels(outcome)

W3C = TraceContextTextMapPropagator()
log = logging.getLogger("assistant")


class JsonLines(logging.Formatter):
    """One JSON object a line.

    Of an exception only the type: its text may hold what a user wrote.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": record.created, "level": record.levelname, "logger": record.name}
        line["event"] = record.getMessage()
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line)


def start(service: str) -> trace.Tracer:
    """Logs and spans of this process."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
    return provider.get_tracer("assistant")


def onward(span: Span) -> dict[str, str]:
    """The headers that carry the trace to the next party."""
    headers: dict[str, str] = {}
    W3C.inject(headers, trace.set_span_in_context(span, contexts.Context()))
    return headers


class Turn:
    """One request of the API, from its arrival to its end."""

    def __init__(self, tracer: trace.Tracer, headers: Mapping[str, str]) -> None:
        self.began = time.perf_counter()
        self.span = tracer.start_span("POST /v1/answer", W3C.extract(headers), SpanKind.SERVER)
        self.used: dict[str, int] = {}

    def first_token(self) -> None:
        TTFT.observe(time.perf_counter() - self.began)

    def billed(self, usage: dict[str, int]) -> None:
        self.used = usage
        TOKENS.labels("prompt").inc(usage["prompt_tokens"])
        TOKENS.labels("completion").inc(usage["completion_tokens"])

    def end(self, outcome: str) -> None:
        REQUESTS.labels(outcome).inc()
        self.span.set_attribute("outcome", outcome)
        self.span.end()
        ms = round((time.perf_counter() - self.began) * 1000, 1)
        trace_id = trace.format_trace_id(self.span.get_span_context().trace_id)
        log.info(
            "request",
            extra={"fields": {"trace_id": trace_id, "outcome": outcome, "ms": ms, **self.used}},
        )
