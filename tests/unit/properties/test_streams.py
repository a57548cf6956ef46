"""Readers of streams, for any pieces: the sender chooses where a stream is cut, and it changes
nothing.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from grader.engines.docker.channel import Demux, LineBuffer
from grader.http.events import EventReader, events_of

CUTS = st.lists(st.integers(0, 400), max_size=12)
TEXT = st.text(
    st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), max_size=20
)
END = st.sampled_from(["\n", "\r\n", "\r"])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(st.binary(max_size=300), CUTS)
def test_events_do_not_depend_on_the_pieces(body: bytes, cuts: list[int]) -> None:
    reader = EventReader()
    found = [event for piece in pieces(body, cuts) for event in reader.feed(piece)]
    assert found == events_of(body)


@given(st.lists(st.tuples(st.lists(TEXT, min_size=1, max_size=3), TEXT)), END, CUTS)
def test_events_come_as_they_were_sent(
    sent: list[tuple[list[str], str]], end: str, cuts: list[int]
) -> None:
    body = "".join(
        "".join(f"data: {line}{end}" for line in lines)
        + (f"event: {kind}{end}" if kind else "")
        + end
        for lines, kind in sent
    ).encode()
    reader = EventReader()
    found = [event for piece in pieces(body, cuts) for event in reader.feed(piece)]
    assert [(e.text, e.kind) for e in found] == [
        ("\n".join(lines), kind or "message") for lines, kind in sent
    ]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), CUTS)
def test_frames_come_apart_however_they_are_cut(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(
        bytes([kind, 0, 0, 0]) + len(body).to_bytes(4, "big") + body for kind, body in frames
    )
    demux, found = Demux(), {1: b"", 2: b""}
    for piece in pieces(data, cuts):
        for kind, body in demux.feed(piece):
            found[kind] += body
    assert found == {kind: b"".join(body for k, body in frames if k == kind) for kind in (1, 2)}


@given(st.lists(TEXT, max_size=8), TEXT, CUTS)
def test_lines_come_whole_however_they_are_cut(
    lines: list[str], rest: str, cuts: list[int]
) -> None:
    data = "".join(f"{line}\n" for line in lines).encode() + rest.encode()
    buffer = LineBuffer()
    assert [line for piece in pieces(data, cuts) for line in buffer.feed(piece)] == lines
