"""Bounds on request bodies, in front of Django: its handler stores a whole body before any view is
asked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MIB = 1 << 20
UPLOAD = re.compile(r"/labs/[-\w]+/submit/?")
UPLOAD_MAX = 11 * MIB
"""An archive of 10 MB and the form around it."""
OTHER_MAX = 1 * MIB
NO_BODY = {"GET", "HEAD", "OPTIONS", "TRACE"}
NO_BODY_MAX = 64 << 10
TEXT = b"The request is larger than this address takes. An archive may have 10 MB; nothing was stored.\n"


class TooLarge(Exception):
    """Raised into the application while it reads."""


def bound(app: App) -> App:
    """Wrap an ASGI application: 413 for a body that says or turns out to be too large."""

    async def bounded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        most, read, begun = limit(scope), 0, False
        if said(scope) > most:
            await _refuse(send)
            return

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, counted, watched)
        except TooLarge:
            if not begun:
                await _refuse(send)

    return bounded


def limit(scope: Message) -> int:
    """Bytes that the address takes."""
    if scope["method"] in NO_BODY:
        return NO_BODY_MAX
    return (
        UPLOAD_MAX if scope["method"] == "POST" and UPLOAD.fullmatch(scope["path"]) else OTHER_MAX
    )


def said(scope: Message) -> int:
    """Content-Length; 0 where none is said. What is no number is the server's to refuse."""
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(TEXT)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": TEXT})
