"""Requests to the service and to the exact scan, and the corpus that both hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lab_checks import corpus as corpora
from lab_checks.corpus import Corpus, numbers

from grader.lab_api import (
    Context,
    PartyFailed,
    Response,
    Target,
    Unmeasurable,
    counted,
    every,
    failed,
)

K = 10
BATCH, AT_ONCE = 200, 2
TIMEOUT_S = 30.0
Days = tuple[int, int]


@dataclass
class Loaded:
    """The corpus once both sides hold it.

    ``seen``: (tenant, ids) of every search of the service.
    """

    corpus: Corpus
    peaks: tuple[int, int]
    """Peak bytes of the service when a quarter was stored, and when all was."""
    stored_bytes: int
    """Raw bytes of the vectors stored between the two."""
    seen: list[tuple[str, list[str], Response]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """``ids`` best first. ``wrong``: why there are none, in words."""

    ids: list[str]
    wrong: str
    response: Response


def query(tenant: str, v: np.ndarray, days: Days | None = None, k: int = K) -> dict[str, Any]:
    body: dict[str, Any] = {"tenant": tenant, "v": numbers(v), "k": k}
    if days is not None:
        body["filter"] = {"day_from": days[0], "day_to": days[1]}
    return body


def ids_of(document: Any) -> list[str] | None:
    """The ids of an answer, or None when it has not the shape of one."""
    hits = document.get("hits") if isinstance(document, dict) else None
    if not isinstance(hits, list) or not all(
        isinstance(h, dict) and isinstance(h.get("id"), str) for h in hits
    ):
        return None
    return [hit["id"] for hit in hits[:1000]]


async def search(target: Target, body: dict[str, Any], timeout_s: float = TIMEOUT_S) -> Found:
    response = await target.request("POST", "/search", json=body, timeout_s=timeout_s)
    if response.error or response.status != 200:
        return Found([], response.error or f"answered {response.status}, expected 200", response)
    ids = ids_of(response.json())
    if ids is None:
        return Found([], "answered without a list of hits that have ids", response)
    if len(set(ids)) != len(ids) or len(ids) > body["k"]:
        return Found(
            [], f"answered {len(ids)} hits for k = {body['k']}, or the same id twice", response
        )
    return Found(ids, "", response)


async def searched(
    ctx: Context, data: Loaded, tenant: int, v: np.ndarray, days: Days | None = None
) -> Found:
    """A search of the service that is remembered for the tenants criterion."""
    found = await search(ctx.app, query(data.corpus.tenants[tenant], v, days))
    data.seen.append((data.corpus.tenants[tenant], found.ids, found.response))
    return found


async def write(
    target: Target, tenant: str, items: list[dict[str, Any]], timeout_s: float = TIMEOUT_S
) -> Response:
    return await target.request(
        "POST", "/vectors", json={"tenant": tenant, "items": items}, timeout_s=timeout_s
    )


async def loaded(ctx: Context) -> Loaded:
    """The corpus in both systems, stored once. Unmeasurable when the service does not take it."""
    return await ctx.once("loaded", lambda: _load(ctx))


async def _load(ctx: Context) -> Loaded:
    assert ctx.spec.baseline is not None
    made = await asyncio.to_thread(corpora.make, ctx.rng("corpus"))
    batches = _batches(made)
    quarter = len(batches) // 4
    ctx.note(f"storing {len(made.ids)} vectors in the service and in the exact scan")
    theirs = asyncio.create_task(_send(ctx.target(ctx.spec.baseline.name), batches))
    refused = await _send(ctx.app, batches[:quarter])
    first = await _peak(ctx)
    refused = refused or await _send(ctx.app, batches[quarter:])
    second = await _peak(ctx)
    if problem := await theirs:
        raise PartyFailed(
            f"the exact scan did not take the vectors: {problem.error or problem.status}"
        )
    if refused is not None:
        said = refused.error or f"answered {refused.status}, expected 200"
        measured = counted(0, len(made.ids), "vectors stored")
        advice = "Take up to 500 vectors in one request, and commit them in one transaction."
        raise Unmeasurable(
            failed(f"POST /vectors {said}.", measured, every("vectors"), advice, refused)
        )
    rest = sum(len(items) for _, items in batches[quarter:])
    return Loaded(made, (first, second), rest * corpora.DIMENSIONS * 4)


def _batches(made: Corpus) -> list[tuple[str, list[dict[str, Any]]]]:
    """(tenant, items) in an order in which the tenants are mixed."""
    out = []
    for tenant, label in enumerate(made.tenants):
        rows = made.rows(tenant)
        out += [(label, rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)]
    out.sort(key=lambda batch: made.ids[batch[1][0]])
    return [(label, [made.item(row) for row in rows]) for label, rows in out]


async def _send(target: Target, batches: list[tuple[str, list[dict[str, Any]]]]) -> Response | None:
    """Send all, some at once; returns the first refusal."""
    waiting = list(reversed(batches))
    refused: list[Response] = []

    async def writer() -> None:
        while waiting and not refused:
            response = await write(target, *waiting.pop())
            if not response.ok:
                refused.append(response)

    await asyncio.gather(*(writer() for _ in range(AT_ONCE)))
    return refused[0] if refused else None


async def _peak(ctx: Context) -> int:
    return int((await ctx.control("usage", ctx.spec.service.name))["memory_peak_bytes"])
