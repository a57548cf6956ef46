"""Requests of the contract criterion, made from the seed."""

from __future__ import annotations

from typing import Any

from lab_checks import model as models
from lab_checks.texts import mixed

from grader.lab_api import Context


def contract(ctx: Context) -> list[dict[str, Any]]:
    """Good requests of both routes, then bad input."""
    g = models.generator(ctx.rng("contract"))
    ids, texts = models.bag(g), mixed(g)

    def case(
        title: str, path: str, json: Any, status: int | str = "4xx", **more: Any
    ) -> dict[str, Any]:
        return {"title": title, "path": path, "json": json, "status": status, **more}

    return [
        case("Scoring a row", "/score", {"ids": ids}, 200),
        case("Scoring a row of one id", "/score", {"ids": ids[:1]}, 200),
        case("Scoring a row that has an id often", "/score", {"ids": ids[:1] * 20}, 200),
        case(
            "Embedding one text", "/embed", {"texts": texts[:1]}, 200, expect={"/vectors/1": None}
        ),
        case("Embedding texts of mixed length", "/embed", {"texts": texts}, 200),
        case("A row without ids", "/score", {"ids": []}),
        case("Scoring a row of 256 ids", "/score", {"ids": (ids * 64)[:256]}, 200),
        case("A row of 257 ids", "/score", {"ids": (ids * 65)[:257]}),
        case("A row with a word in it", "/score", {"ids": [*ids, "merchant"]}),
        case("A row with a negative id", "/score", {"ids": [*ids, -1]}),
        case(
            "A row with an id that the model does not know", "/score", {"ids": [*ids, models.WIDTH]}
        ),
        case("A row with a very large id", "/score", {"ids": [*ids, 10**15]}),
        case("A row that is no list", "/score", {"ids": 7}),
        case("A body without ids", "/score", {}),
        case("No text at all", "/embed", {"texts": []}),
        case("Embedding 64 texts", "/embed", {"texts": ["ok"] * 64}, 200),
        case("65 texts", "/embed", {"texts": ["ok"] * 65}),
        case("A text of 4,001 characters", "/embed", {"texts": ["a" * 4001]}),
        case("A text that is a number", "/embed", {"texts": [7]}),
        case("A body that is not JSON", "/score", None, raw='{"ids": ['),
    ]
