"""Requests of the criterion about what telemetry costs."""

from __future__ import annotations

from typing import Any

from lab_checks.world import PATH, Traffic, body_of, headers_of

from grader.checks.base import Context


def questions(ctx: Context) -> list[dict[str, Any]]:
    """Forty questions with their traces."""
    traffic = Traffic(ctx.rng("speed"), 8)
    turns = [traffic.turn() for _ in range(40)]
    return [{"path": PATH, "json": body_of(turn), "headers": headers_of(turn), "timeout_s": 15} for turn in turns]
