"""All parties of a pod share one loopback: neither hop works for a stranger."""

import hmac
import os
from typing import Any

from fastapi.responses import JSONResponse

HEADER = "X-Baseline-Key"
KEY = os.environ["BASELINE_KEY"]
OPEN = ("/healthz", "/readyz")


class Door:
    """ASGI middleware: 403 without this run's key."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            given = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
            if not hmac.compare_digest(given, KEY.encode()):
                await JSONResponse({"error": {"message": "closed"}}, 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)
