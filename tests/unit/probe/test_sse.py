"""One reader of server-sent events: the standard's grammar, in any cutting of the bytes, in linear
work.
"""

from __future__ import annotations

import itertools
import random

import pytest

from grader.http import Event, EventReader, events_of, is_chunked, media_type, timed_events
from grader.http.response import Response
from grader.load import streams

A, D = b'{"token":"a"}', b'{"done":true}'
FORMS = {
    "lf": b"data: %b\n\ndata: %b\n\n",
    "crlf": b"data: %b\r\n\r\ndata: %b\r\n\r\n",
    "cr alone": b"data: %b\r\rdata: %b\r\r",
    "mixed": b"data: %b\n\r\ndata: %b\r\n\n",
    "event first": b"event: token\ndata: %b\n\nevent: done\ndata: %b\n\n",
    "id first": b"id: 1\ndata: %b\n\nid: 2\ndata: %b\n\n",
    "comment first": b": ping\ndata: %b\n\n: ping\n\n: ping\ndata: %b\n\n",
    "no space": b"data:%b\n\ndata:%b\n\n",
    "byte order mark": b"\xef\xbb\xbfdata: %b\n\ndata: %b\n\n",
    "retry and strangers": b"retry: 5\nfoo: x\ndata: %b\n\nbar\ndata: %b\n\n",
}


def by_probe(chunks: list[bytes]) -> list[bytes]:
    response = Response("POST", "/x", {}, b"", "app", 0.0, 0.0)
    response.chunks = [(float(number), chunk) for number, chunk in enumerate(chunks)]
    return [data.encode() for _, data in response.events()]


def by_load(chunks: list[bytes]) -> list[bytes]:
    return [data for _, data in streams.events([(0.0, chunk) for chunk in chunks])]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_two_events_in_any_cutting(form: str) -> None:
    body = FORMS[form] % (A, D)
    cuttings = [[body], [body[i : i + 1] for i in range(len(body))]]
    cuttings += [[body[:cut], body[cut:]] for cut in range(len(body))]
    for chunks in cuttings:
        assert by_probe(chunks) == by_load(chunks) == [A, D], chunks


@pytest.mark.parametrize("seed", range(50))
def test_cutting_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    tokens = [b"\r", b"\n", b"\r\n", b"data: x", b"data", b":c", b"event: k", b"id: 7", b"y"]
    body = b"".join(rng.choices(tokens, k=40))
    for _ in range(20):
        cuts = sorted(rng.choices(range(len(body) + 1), k=rng.randrange(12)))
        edges = [0, *cuts, len(body)]
        reader = EventReader()
        found = [event for a, b in itertools.pairwise(edges) for event in reader.feed(body[a:b])]
        assert found == events_of(body), (body, edges)


def test_fields_as_the_standard_has_them() -> None:
    body = (
        b'event: a\nid: 1\ndata: {"x":\ndata: 1}\n\ndata\n\ndata:  two\n\nevent: lost\n\ndata: half'
    )
    assert events_of(body) == [
        Event(b'{"x":\n1}', "a", "1"),
        Event(b"", "message", "1"),
        Event(b" two", "message", "1"),
    ]
    assert events_of(b"id: a\0b\ndata: x\n\n") == [Event(b"x")]
    assert events_of(b"data: \xff\n\n")[0].text == "\ufffd"


def test_an_event_arrives_with_the_byte_that_ends_it() -> None:
    chunks = [(1.0, b"data: a\r\n"), (2.0, b"\r"), (3.0, b"\ndata: b\n"), (4.0, b"\n")]
    assert [(at, event.data) for at, event in timed_events(chunks)] == [(2.0, b"a"), (4.0, b"b")]


def test_the_work_is_linear_in_the_bytes() -> None:
    """262,144 pieces of one byte took 43 s of the probe's only thread.

    Work is counted, not timed: joined bytes.
    """

    class Counted(EventReader):
        joined = 0

        def _take(self, line: bytes) -> Event | None:
            Counted.joined += len(line)
            return super()._take(line)

    size = 262_144
    reader = Counted()
    for _ in range(size):
        reader.feed(b"x")
    assert Counted.joined == 0
    assert len(reader._line) == size
    reader.feed(b"\n")
    assert Counted.joined == size


@pytest.mark.parametrize(
    ("value", "chunked"),
    [
        ("chunked", True),
        ("Chunked", True),
        ("gzip, CHUNKED", True),
        ("", False),
        ("xchunked", False),
        ("chunked, gzip", False),
    ],
)
def test_codings_are_the_same_in_any_case(value: str, chunked: bool) -> None:
    assert is_chunked(value) == chunked


def test_media_types_are_the_same_in_any_case() -> None:
    assert media_type("Text/Event-Stream ; charset=UTF-8") == "text/event-stream"
    assert media_type("") == ""
