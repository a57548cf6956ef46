"""Broker transports that outlive what they can't read.

Kombu's own let an empty or broken message end the whole worker, which takes the runs of its pool
with it. A message is a bell here: whoever can't be read is set aside with a line in the log, and
the sweep rings again.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import logging
import uuid
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, redis, virtual

log = logging.getLogger(__name__)
UNREADABLE = (ValueError, RecursionError)
"""What a JSON reader raises: no JSON, no UTF-8, or nested too deeply."""
ALIASES = {
    "filesystem": "config.broker:FileTransport",
    "redis": "config.broker:RedisTransport",
    "rediss": "config.broker:RedisTransport",
}


def install() -> None:
    """Let the names in a broker's URL mean the transports below."""
    TRANSPORT_ALIASES.update(ALIASES)


class Message(virtual.Message):
    """One that lacks what a message needs becomes an empty one, which Celery sets aside and
    confirms.
    """

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
            if self.delivery_tag and isinstance(self.headers, dict):
                return
            problem = "it lacks a delivery tag or headers"
        except (ValueError, KeyError, TypeError, AttributeError, LookupError) as error:
            problem = f"{type(error).__name__}: {error}"
        log.warning("A message of the broker can't be read and is set aside: %s", problem[:200])
        super().__init__(empty_message(), channel=channel, **kwargs)


def empty_message() -> dict[str, Any]:
    """What stands in for a message that can't be read."""
    information = {"exchange": "", "routing_key": ""}
    properties = {"delivery_tag": uuid.uuid4().hex, "delivery_info": information}
    return {
        "body": "",
        "content-type": None,
        "content-encoding": None,
        "headers": {},
        "properties": properties,
    }


class FileChannel(filesystem.Channel):
    """Kombu has taken the file away by the time it finds that it can't be read."""

    Message = Message

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002  kombu's own ignores it, too
        while True:
            try:
                return super()._get(queue)
            except (*UNREADABLE, ChannelError) as error:
                log.warning("A message of the broker can't be read and is set aside: %s", error)


class FileTransport(filesystem.Transport):
    """``filesystem://``."""

    Channel = FileChannel


class RedisChannel(redis.Channel):
    """Redis has handed the message over by the time Kombu finds that it can't be read."""

    Message = Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            log.warning("A message of the broker can't be read and is set aside: %s", error)
            raise Empty from error


class RedisTransport(redis.Transport):
    """``redis://`` and ``rediss://``."""

    Channel = RedisChannel
