"""The model gateway: one call, no second try."""

from __future__ import annotations

import os

import httpx

client = httpx.Client(
    base_url=os.environ["MODEL_URL"],
    headers={"Authorization": f"Bearer {os.environ.get('MODEL_API_KEY', '')}"},
    timeout=10.0,
)


def complete(context: str, question: str) -> str:
    """The reply's text, e.g. ``18 months [KX-4071]`` or ``NOT_FOUND``. Raises httpx.HTTPError."""
    prompt = f"{context}\nQuestion: {question}"
    reply = client.post(
        "/chat/completions",
        json={"model": "reader", "messages": [{"role": "user", "content": prompt}]},
    )
    reply.raise_for_status()
    return str(reply.json()["choices"][0]["message"]["content"])
