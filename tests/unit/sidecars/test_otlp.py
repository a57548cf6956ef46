"""The trace receiver: what it understands, what it refuses, and how much it keeps."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from gateway_kit import serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from grader.sidecars.otlp.app import Receiver
from grader.sidecars.otlp.decode import (
    JSON,
    MAX_UNPACKED,
    PROTOBUF,
    Malformed,
    Span,
    spans_in,
    unpacked,
)
from grader.sidecars.otlp.store import MAX_HEARD, PAGE_SPANS, SPANS_OF_A_TRACE, Store
from grader.sidecars.stdio import MAX_LINE

TRACE, SPAN, PARENT = "ab" * 16, "cd" * 8, "ef" * 8


def request(
    trace: str = TRACE, span: str = SPAN, parent: str = PARENT
) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "api"
    one = resource.scope_spans.add().spans.add(name="answer")
    one.trace_id, one.span_id, one.parent_span_id = (
        bytes.fromhex(text) for text in (trace, span, parent)
    )
    one.start_time_unix_nano, one.end_time_unix_nano = 1_000_000_000, 1_500_000_000
    return made


def a_span(trace: str, number: int = 0) -> Span:
    return Span(
        trace, f"{number:016x}", "", "s" * 60, "n" * 60, 1700000000.123456, 1700000001.123456
    )


def test_protobuf_and_json_say_the_same() -> None:
    expected = [Span(TRACE, SPAN, PARENT, "api", "answer", 1.0, 1.5)]
    assert spans_in(request().SerializeToString(), PROTOBUF) == expected
    span: dict[str, Any] = {
        "traceId": TRACE.upper(),
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "answer",
    }
    span |= {
        "startTimeUnixNano": "1000000000",
        "endTimeUnixNano": "1500000000",
        "kind": 2,
        "unknown": [1],
    }
    service = {"key": "service.name", "value": {"stringValue": "api"}}
    body = {
        "resourceSpans": [
            {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}
        ]
    }
    assert spans_in(json.dumps(body).encode(), f"{JSON}; charset=utf-8") == expected


def test_a_root_has_no_parent_and_bad_ids_are_left_out() -> None:
    assert spans_in(request(parent="").SerializeToString(), PROTOBUF)[0].parent == ""
    assert spans_in(request(parent="00" * 8).SerializeToString(), PROTOBUF)[0].parent == ""
    assert spans_in(request(trace="abcd").SerializeToString(), PROTOBUF) == []
    assert spans_in(request(span="").SerializeToString(), PROTOBUF) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xff\xff", PROTOBUF),
        (b"{", JSON),
        (b"[" * 100_000, JSON),
        (b'{"resourceSpans": 7}', JSON),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', JSON),
        (b"", "text/plain"),
    ],
)
def test_what_is_no_export_request_is_malformed(body: bytes, kind: str) -> None:
    with pytest.raises(Malformed):
        spans_in(body, kind)


def test_encodings_and_bombs() -> None:
    raw = b"x" * 5000
    assert (
        unpacked(raw, "")
        == unpacked(gzip.compress(raw), "gzip")
        == unpacked(zlib.compress(raw), "deflate")
        == raw
    )
    assert len(unpacked(gzip.compress(bytes(MAX_UNPACKED - 1)), "gzip")) == MAX_UNPACKED - 1
    for body, encoding in (
        (gzip.compress(bytes(MAX_UNPACKED + 1)), "gzip"),
        (b"x", "gzip"),
        (b"x", "br"),
    ):
        with pytest.raises(Malformed):
            unpacked(body, encoding)
    with pytest.raises(Malformed):
        unpacked(gzip.compress(raw)[:-9], "gzip")


def test_the_store_is_bounded_and_forgets_the_oldest() -> None:
    store = Store(max_traces=3)
    for number in range(5):
        store.add(a_span(f"{number:032x}", n) for n in range(SPANS_OF_A_TRACE + 10))
    reply = store.read([f"{number:032x}" for number in range(5)])
    assert [len(spans) for spans in reply["traces"].values()] == [0, 0] + [SPANS_OF_A_TRACE] * 3
    assert reply["received"] == 5 * (SPANS_OF_A_TRACE + 10)


def test_a_page_fits_into_a_line_and_the_rest_can_be_asked_for() -> None:
    store, ids = Store(max_traces=1000), [f"{number:032x}" for number in range(200)]
    for trace in ids:
        store.add(a_span(trace, n) for n in range(SPANS_OF_A_TRACE))
    first = store.read(ids)
    assert len(json.dumps(first)) < MAX_LINE - 1000
    assert PAGE_SPANS / SPANS_OF_A_TRACE - 2 < len(first["traces"]) < 200
    assert [*first["traces"], *first["rest"]] == ids
    assert next(iter(store.read(first["rest"])["traces"])) == first["rest"][0]


async def test_over_http() -> None:
    receiver = Receiver(Store(100))
    async with serving(receiver) as sink:
        good = gzip.compress(request().SerializeToString())
        headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
        answer = await sink.request("POST", "/v1/traces", body=good, headers=headers)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, PROTOBUF, b"")
        refusals: list[tuple[str, str, bytes, dict[str, str], int]] = [
            ("POST", "/v1/metrics", good, headers, 404),
            ("GET", "/v1/traces", b"", {}, 404),
            ("POST", "/v1/traces", b"\xff", {"Content-Type": PROTOBUF}, 400),
            ("POST", "/v1/traces", b"x" * (1 << 20) + b"x", {"Content-Type": PROTOBUF}, 413),
        ]
        for method, path, body, fields, status in refusals:
            assert (await sink.request(method, path, body=body, headers=fields)).status == status
    reply: dict[str, Any] = receiver.obey({"command": "traces", "ids": [TRACE]})
    assert reply["traces"] == {TRACE: [[SPAN, PARENT, "api", "answer", 1.0, 1.5]]}
    assert (reply["received"], reply["refused"]) == (1, 4)


@pytest.mark.parametrize(
    "payload",
    [None, {"command": "spans"}, {"command": "traces", "ids": ["x"]}, {"command": "traces"}],
)
def test_other_commands_are_refused(payload: Any) -> None:
    with pytest.raises(ValueError):
        Receiver(Store(100)).obey(payload)


def test_what_is_heard_is_searched_and_bounded() -> None:
    receiver = Receiver(Store(100))
    word = {"command": "holds", "words": ["secretword", "OTHERWORD"]}
    receiver.store.hear(b"secretword")
    assert receiver.obey(word) == {"words": []}, "nobody listened"
    assert receiver.obey({"command": "listen"}) == {}
    receiver.store.hear(b"x" * MAX_HEARD)
    receiver.store.hear(b"SecretWord")
    assert receiver.obey(word) == {"words": []}, "the bound holds"
    receiver.obey({"command": "listen"})
    receiver.store.hear(b"\x0a\x0asecretWORD\x12")
    receiver.store.hear(b"otherword")
    assert receiver.obey(word) == {"words": ["secretword", "OTHERWORD"]}


@pytest.mark.parametrize(
    "words", [["short"], ["x" * 201], ["line\nbreak"], ["secret"] * 1001, "secret"]
)
def test_words_to_look_for_are_bounded(words: object) -> None:
    with pytest.raises(ValueError, match="words"):
        Receiver(Store(100)).obey({"command": "holds", "words": words})
