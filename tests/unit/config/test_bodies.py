"""Bodies are bounded before Django sees them, by what they say and by what they are."""

from __future__ import annotations

from typing import Any

import pytest

from config.bodies import NO_BODY_MAX, OTHER_MAX, UPLOAD_MAX, bound


async def answer(method: str, path: str, said: int | None, chunks: list[int]) -> tuple[int, int]:
    """(status, bytes that reached the application)."""
    taken = 0
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal taken
        more = True
        while more:
            message = await receive()
            taken += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    messages = [{"type": "http.request", "body": b"x" * size, "more_body": True} for size in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if said is None else [(b"Content-Length", str(said).encode())]
    await bound(app)(
        {"type": "http", "method": method, "path": path, "headers": headers}, receive, send
    )
    return sent[0]["status"], taken


MIB = 1 << 20


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("GET", "/", NO_BODY_MAX),
        ("HEAD", "/labs/x/submit", NO_BODY_MAX),
        ("PUT", "/nothing", OTHER_MAX),
        ("POST", "/accounts/login/", OTHER_MAX),
        ("POST", "/labs/rag-service/submit", UPLOAD_MAX),
        ("PUT", "/labs/rag-service/submit", OTHER_MAX),
        ("POST", "/labs/a/b/submit", OTHER_MAX),
    ],
)
async def test_no_more_than_the_address_takes(method: str, path: str, most: int) -> None:
    assert await answer(method, path, most, [most]) == (200, most)
    assert await answer(method, path, 300 * MIB, []) == (413, 0)
    status, taken = await answer(method, path, None, [most // 2] * 40)  # says nothing, or lies
    assert status == 413
    assert taken <= most
    assert (await answer(method, path, 10, [most // 2] * 40))[0] == 413


async def test_an_archive_of_the_allowed_size_fits() -> None:
    from grader.archive import ArchiveLimits

    assert ArchiveLimits().packed + 64 * 1024 < UPLOAD_MAX
