"""From the bytes of an export request to spans. Every size is bounded before anything is parsed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MAX_UNPACKED = 2 << 20
"""An empty message takes two bytes on the wire and a hundred in memory."""
SHOWN = 60
PROTOBUF, JSON = "application/x-protobuf", "application/json"
ID_FIELDS = ("traceId", "spanId", "parentSpanId")


class Malformed(Exception):
    """The request can't be read."""


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in lower-case hex;

    ``parent`` is empty for a root. Times are Unix seconds, as the sender says.
    """

    trace: str
    span: str
    parent: str
    service: str
    name: str
    start_s: float
    end_s: float


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its content encoding. Raises Malformed, also when it gets too large."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise Malformed(f"there is no content encoding {encoding[:40]!r} here; send gzip or none")
    unpack = zlib.decompressobj(wbits=47 if encoding == "gzip" else 15)
    try:
        data = unpack.decompress(body, MAX_UNPACKED)
    except zlib.error as error:
        raise Malformed(f"not {encoding}: {error}") from error
    if unpack.unconsumed_tail or not unpack.eof:
        raise Malformed(f"the body is cut, or unpacks to more than {MAX_UNPACKED} bytes")
    return data


def spans_in(body: bytes, content_type: str) -> list[Span]:
    """All well-formed spans of a request.

    Raises Malformed when the request as a whole can't be read.
    """
    kind = content_type.partition(";")[0].strip().lower()
    request = ExportTraceServiceRequest()
    try:
        if kind == PROTOBUF:
            request.ParseFromString(body)
        elif kind == JSON:
            Parse(
                json.dumps(_with_base64_ids(json.loads(body))), request, ignore_unknown_fields=True
            )
        else:
            raise Malformed(f"content type {kind[:60]!r} is not OTLP; send {PROTOBUF} or {JSON}")
    except (DecodeError, ParseError, ValueError, RecursionError) as error:
        raise Malformed(f"not an export request: {str(error)[:200]}") from error
    return list(_spans(request))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = ""
        for attribute in resource.resource.attributes:
            if attribute.key == "service.name":
                service = attribute.value.string_value[:SHOWN]
        for scope in resource.scope_spans:
            for raw in scope.spans:
                if (
                    len(raw.trace_id) != 16
                    or len(raw.span_id) != 8
                    or len(raw.parent_span_id) not in (0, 8)
                ):
                    continue
                times = raw.start_time_unix_nano / 1e9, raw.end_time_unix_nano / 1e9
                parent = raw.parent_span_id.hex() if any(raw.parent_span_id) else ""
                yield Span(
                    raw.trace_id.hex(), raw.span_id.hex(), parent, service, raw.name[:SHOWN], *times
                )


def _with_base64_ids(value: Any) -> Any:
    """OTLP's JSON writes ids in hex where protobuf's own JSON has base64."""
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _base64_of(item) if key in ID_FIELDS else _with_base64_ids(item)
        for key, item in value.items()
    }


def _base64_of(text: Any) -> str:
    return base64.b64encode(bytes.fromhex(text if isinstance(text, str) else "")).decode()
