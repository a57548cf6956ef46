"""The model gateway.

Transient faults (429, 5xx, broken connections) are retried with backoff, within a deadline.
"""

from __future__ import annotations

import os
import random
import time

import httpx

DEADLINE_S = 20.0
ATTEMPTS = 7
FIRST_WAIT_S = 0.1
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class ModelUnavailable(Exception):
    """The gateway did not answer within the deadline."""


class Model:
    def __init__(self) -> None:
        key = os.environ.get("MODEL_API_KEY", "")
        self._client = httpx.Client(
            base_url=os.environ["MODEL_URL"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(10.0, connect=2.0),
            limits=httpx.Limits(max_connections=16),
        )

    def complete(self, messages: list[dict[str, str]]) -> str:
        """The text of the reply. Raises ModelUnavailable."""
        give_up = time.monotonic() + DEADLINE_S
        for attempt in range(ATTEMPTS):
            wait = FIRST_WAIT_S * 2**attempt * random.uniform(0.7, 1.3)
            try:
                reply = self._client.post(
                    "/chat/completions",
                    json={
                        "model": os.environ.get("MODEL_NAME", "reader"),
                        "messages": messages,
                        "temperature": 0,
                    },
                )
                if reply.status_code == 200:
                    return str(reply.json()["choices"][0]["message"]["content"])
                if reply.status_code not in RETRYABLE:
                    raise ModelUnavailable(f"the gateway refused the request: {reply.status_code}")
                wait = max(wait, _retry_after(reply))
            except (httpx.TransportError, ValueError, KeyError, IndexError):
                pass
            if time.monotonic() + wait > give_up:
                break
            time.sleep(wait)
        raise ModelUnavailable("the gateway did not answer in time")


def _retry_after(reply: httpx.Response) -> float:
    """Seconds that the gateway asks us to stay away; 0 when it doesn't say."""
    try:
        return max(0.0, float(reply.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0
