"""Requests of the contract criterion, made from the seed."""

from __future__ import annotations

from typing import Any

from lab_checks import corpus

from grader.lab_api import Context


def contract(ctx: Context) -> list[dict[str, Any]]:
    """A vector's whole life, then bad input of every route."""
    rng = ctx.rng("contract")
    tenant, name = corpus.name(rng), f"c-{rng.getrandbits(40):x}"
    v = [round(rng.gauss(0, 1), 4) for _ in range(corpus.DIMENSIONS)]
    other = [round(rng.gauss(0, 1), 4) for _ in range(corpus.DIMENSIONS)]
    day = rng.randint(1, 900)
    item = {"id": name, "v": v, "day": day}
    begins, ends = {"day_from": day, "day_to": day + 3}, {"day_from": day - 1, "day_to": day}

    small = [round(x, 1) for x in v]
    long: list[dict[str, Any]] = [{"id": f"{name}-{n}", "v": small, "day": day} for n in range(150)]
    del long[100]["v"]

    def case(title: str, path: str, json: Any, status: int | str, **more: Any) -> dict[str, Any]:
        return {"title": title, "path": path, "json": json, "status": status, **more}

    def find(**changes: Any) -> dict[str, Any]:
        return {"tenant": tenant, "v": v, "k": 5, **changes}

    return [
        case("Storing a vector", "/vectors", {"tenant": tenant, "items": [item]}, 200, expect={"/written": 1}),
        case("Storing it again", "/vectors", {"tenant": tenant, "items": [{**item, "v": other}]}, 200),
        case("Finding what replaced it", "/search", find(v=other), 200, expect={"/hits/0/id": name, "/hits/1": None}),
        case("Finding it on a range's first day", "/search", find(filter=begins), 200, expect={"/hits/0/id": name}),
        case("Finding it on a range's last day", "/search", find(filter=ends), 200, expect={"/hits/0/id": name}),
        case("Not finding it on another day", "/search", find(filter={"day_from": 901, "day_to": 950}), 200,
             expect={"/hits": []}),
        case("A tenant that has nothing", "/search", find(tenant=f"{tenant}-x"), 200, expect={"/hits": []}),
        case("Deleting it", f"/vectors/{name}", None, "2xx", method="DELETE"),
        case("Deleting it again", f"/vectors/{name}", None, 404, method="DELETE"),
        case("Not finding what was deleted", "/search", find(v=other), 200, expect={"/hits": []}),
        case("A batch with a bad vector in it", "/vectors", {"tenant": tenant, "items": [item, {**item, "v": v[1:]}]},
             "4xx"),
        case("Not finding the rest of that batch", "/search", find(), 200, expect={"/hits": []}),
        case("A batch of 150 whose 101st item has no vector", "/vectors", {"tenant": tenant, "items": long}, "4xx"),
        case("Not finding the first of that batch", "/search", find(), 200, expect={"/hits": []}),
        case("An item of no day", "/vectors", {"tenant": tenant, "items": [{**item, "day": -1}]}, "4xx"),
        case("A search without k", "/search", {"tenant": tenant, "v": v}, 200, expect={"/hits": []}),
        case("A search with k = 101", "/search", find(k=101), "4xx"),
        case("A vector of 383 numbers", "/search", find(v=v[1:]), "4xx"),
        case("A vector with a word in it", "/search", find(v=["near", *v[1:]]), "4xx"),
        case("A search with k = 0", "/search", find(k=0), "4xx"),
        case("A search without a tenant", "/search", {"v": v, "k": 3}, "4xx"),
        case("A filter that ends before it begins", "/search", find(filter={"day_from": 9, "day_to": 3}), "4xx"),
        case("Items that are no list", "/vectors", {"tenant": tenant, "items": "none"}, "4xx"),
        case("An item without a vector", "/vectors", {"tenant": tenant, "items": [{"id": name, "day": 1}]}, "4xx"),
        case("A body that is not JSON", "/vectors", None, "4xx", raw='{"tenant": '),
    ]  # fmt: skip
