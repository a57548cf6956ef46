"""A message that can't be read ends nobody; what comes after it is delivered."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from config import broker

SOUND = {
    "body": "W10=",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {"task": "x"},
    "properties": {"delivery_tag": "t", "delivery_info": {}, "body_encoding": "base64"},
}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "cut": json.dumps(SOUND).encode()[:40],
    "not text": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "nothing in it": b"{}",
    "properties are a list": json.dumps({**SOUND, "properties": []}).encode(),
    "no delivery_tag": json.dumps({**SOUND, "properties": {"delivery_info": {}}}).encode(),
    "an empty delivery_tag": json.dumps({**SOUND, "properties": {"delivery_tag": ""}}).encode(),
    "a body that is no base64": json.dumps({**SOUND, "body": "a"}).encode(),
    "a body in no known encoding": json.dumps(
        {**SOUND, "properties": {"delivery_tag": "t", "body_encoding": "base7"}}
    ).encode(),
    "headers are a text": json.dumps({**SOUND, "headers": "task"}).encode(),
    "deep": b"[" * 100_000,
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Any]:
    broker.install()
    broker.FileTransport.global_state.clear()  # Kombu keeps the bindings of a process, and each test has its own folder
    options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "c"),
    }
    (tmp_path / "c").mkdir()
    with Connection("filesystem://", transport_options=options) as found:
        yield found


@pytest.mark.parametrize("name", BROKEN)
def test_what_comes_after_a_broken_message_is_delivered(
    name: str, connection: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[Any] = []
    queue = Queue("celery", Exchange("celery"), routing_key="celery")
    (tmp_path / "0_broken.celery.msg").write_bytes(BROKEN[name])
    connection.Producer().publish(
        {"run": 1}, exchange=queue.exchange, routing_key="celery", declare=[queue]
    )

    def take(body: Any, message: Any) -> None:
        message.ack()
        got.append(body)

    def refuse(message: Any, _error: Exception) -> None:
        message.reject()

    with (
        caplog.at_level(logging.WARNING),
        connection.Consumer(queue, callbacks=[take], accept=["json"], on_decode_error=refuse),
    ):
        for _ in range(2):
            if {"run": 1} not in got:
                connection.drain_events(timeout=5)
    assert {"run": 1} in got
    assert "set aside" in caplog.text
    assert not list(tmp_path.glob("*broken*"))


def test_a_sound_message_is_left_as_it_is() -> None:
    class Channel:
        def decode_body(self, body: str, encoding: str | None = None) -> bytes:
            assert encoding == "base64"
            return body.encode()

    message = broker.Message(SOUND, channel=Channel())
    assert (message.headers, message.delivery_tag, message.body) == ({"task": "x"}, "t", b"W10=")
