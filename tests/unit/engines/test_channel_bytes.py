"""Channels without an engine: frames, lines, floods, back-pressure and ends, over a pair of
sockets.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from grader.engines.docker import channel as docker_channel
from grader.engines.docker.channel import STDERR, STDOUT, Demux, DockerChannel, LineBuffer
from grader.errors import SandboxError


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.fixture
def ends() -> Iterator[tuple[DockerChannel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = DockerChannel("probe", ours)
    yield channel, theirs
    channel.close()
    theirs.close()


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_frames_may_come_in_any_pieces(size):
    data = (
        frame(STDOUT, b"hello ")
        + frame(STDERR, b"oops")
        + frame(STDOUT, b"")
        + frame(STDOUT, b"world")
    )
    demux, out = Demux(), {STDOUT: b"", STDERR: b""}
    for at in range(0, len(data), size):
        for stream, piece in demux.feed(data[at : at + size]):
            out[stream] += piece
    assert out == {STDOUT: b"hello world", STDERR: b"oops"}


def test_lines_are_split_and_bounded():
    lines = LineBuffer(limit=10)
    assert lines.feed(b"one\ntwo\nthr") == ["one", "two"]
    assert lines.feed(b"ee\n\n") == ["three", ""]
    assert lines.feed(b"\xff\n") == ["\ufffd"]
    lines.feed(b"12345")
    with pytest.raises(SandboxError, match="more than 10 bytes"):
        lines.feed(b"678901")


def test_send_and_receive(ends):
    channel, theirs = ends
    channel.send("ping é")
    assert theirs.recv(100) == "ping é\n".encode()
    theirs.sendall(frame(STDOUT, b"a\nb\n"))
    assert [channel.receive(5), channel.receive(5), channel.receive(0.01)] == ["a", "b", None]
    with pytest.raises(ValueError, match="newline"):
        channel.send("two\nlines")


def test_lines_before_the_end_are_delivered_and_then_the_reason(ends):
    channel, theirs = ends
    theirs.sendall(frame(STDERR, b"Traceback \x1b[31mbad") + frame(STDOUT, b"last\n"))
    theirs.close()
    assert channel.receive(5) == "last"
    with pytest.raises(
        SandboxError, match=r"probe is gone: it ended; it last said: Traceback \\x1b\[31mbad"
    ):
        channel.receive(5)
    assert channel.stderr() == "Traceback \\x1b[31mbad"


def test_the_end_wakes_a_waiting_receiver_at_once(ends):
    channel, theirs = ends
    threading.Timer(0.1, theirs.close).start()
    began = time.monotonic()
    with pytest.raises(SandboxError):
        channel.receive(20)
    assert time.monotonic() - began < 5


def test_a_flood_ends_the_channel(ends, monkeypatch):
    channel, theirs = ends
    monkeypatch.setattr(docker_channel, "RATE", 0)
    channel._budget = 1000.0
    theirs.sendall(frame(STDERR, b"x" * 2000))
    with pytest.raises(SandboxError, match="floods"):
        channel.receive(5)


def test_standard_error_is_kept_to_its_newest_part(ends):
    channel, theirs = ends
    for number in range(40):
        theirs.sendall(frame(STDERR, f"{number:08d}".encode() * 1024))
    theirs.sendall(frame(STDERR, b"THE END") + frame(STDOUT, b"done\n"))
    assert channel.receive(5) == "done"
    assert len(channel.stderr()) == docker_channel.STDERR_KEPT
    assert channel.stderr().endswith("00000039THE END")


def test_unread_lines_make_the_party_wait(ends, monkeypatch):
    channel, theirs = ends
    monkeypatch.setattr(docker_channel, "MAX_UNREAD", 10_000)
    theirs.settimeout(0.3)
    sent = 0
    try:
        while sent < 10_000:
            theirs.sendall(frame(STDOUT, b"y" * 999 + b"\n"))
            sent += 1
    except TimeoutError:
        pass
    assert sent < 10_000
    assert channel._unread < 20_000
    for _ in range(sent):
        assert channel.receive(5) == "y" * 999


def test_close_ends_both_sides(ends):
    channel, theirs = ends
    channel.close()
    assert theirs.recv(10) == b""
    with pytest.raises(SandboxError):
        channel.send("anybody")
    with pytest.raises(SandboxError, match="closed"):
        channel.receive(1)
