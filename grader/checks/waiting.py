"""Waiting until a service takes traffic again, for checks that stopped or restarted it."""

from __future__ import annotations

import asyncio
import time

from grader.checks.base import Context
from grader.http.client import Target


async def ready_again(
    ctx: Context, limit_s: float | None = None, target: Target | None = None
) -> float | None:
    """Seconds until the ready path answered 200;

    None when it didn't within ``limit_s`` (the lab's limit).

    ``target``: the service, or one copy of it past the balancer.
    """
    asked = target or ctx.app
    limit = ctx.spec.limits.ready_s if limit_s is None else limit_s
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < limit:
        response = await asked.request("GET", ctx.spec.service.ready_path, timeout_s=5, fresh=True)
        if response.status == 200:
            return elapsed
        await asyncio.sleep(0.1)
    return None
