"""Requests of the contract criterion, made from the seed."""

from __future__ import annotations

from typing import Any

from grader.lab_api import Context


def contract(ctx: Context) -> list[dict[str, Any]]:
    """A document's whole life, then bad input of every route."""
    rng = ctx.rng("contract")
    doc_id, rooms = f"QX-{rng.randint(1000, 9999)}", rng.randint(3, 80)
    doc = {
        "id": doc_id,
        "title": "Tariff: rooms",
        "text": f"The tariff Novum {rng.randint(2, 9)} insures {rooms} rooms.",
    }
    question = {"q": "How many rooms does the tariff Novum insure?"}

    def case(title: str, path: str, json: Any, status: int | str, **more: Any) -> dict[str, Any]:
        return {"title": title, "path": path, "json": json, "status": status, **more}

    return [
        case("Ingesting a document", "/ingest", {"docs": [doc]}, 200),
        case("Ingesting it again", "/ingest", {"docs": [doc]}, 200),
        case("Searching", "/search", {**question, "k": 3}, 200),
        case("Asking", "/ask", question, 200),
        case("Deleting a document", f"/docs/{doc_id}", None, "2xx", method="DELETE"),
        case("Deleting it again", f"/docs/{doc_id}", None, 404, method="DELETE"),
        case("A search without q", "/search", {"k": 3}, "4xx"),
        case("A search with k = 0", "/search", {**question, "k": 0}, "4xx"),
        case("A search whose k is text", "/search", {**question, "k": "many"}, "4xx"),
        case("A question that is a number", "/ask", {"q": rng.randint(1, 99)}, "4xx"),
        case("A question that is empty", "/ask", {"q": ""}, "4xx"),
        case("A body that is not JSON", "/ask", None, "4xx", raw='{"q": '),
        case("Documents that are no list", "/ingest", {"docs": "none"}, "4xx"),
        case("A document without text", "/ingest", {"docs": [{"id": doc_id, "title": "x"}]}, "4xx"),
        case("No documents", "/ingest", {"docs": []}, "4xx"),
        case("501 documents", "/ingest", {"docs": [doc] * 501}, "4xx"),
        case(
            "A document whose text is too long",
            "/ingest",
            {"docs": [{**doc, "text": "a " * 10_001}]},
            "4xx",
        ),
        case(
            "Good documents and a bad one",
            "/ingest",
            {"docs": [doc, {"id": doc_id, "title": "x"}]},
            "4xx",
        ),
        case(
            "Deleting the good one, which was not taken",
            f"/docs/{doc_id}",
            None,
            404,
            method="DELETE",
        ),
        case("A search with k = 51", "/search", {**question, "k": 51}, "4xx"),
        case("A question of 2,000 characters", "/search", {"q": "how " * 500}, 200),
        case("A question of 2,001 characters", "/search", {"q": "how " * 500 + "?"}, "4xx"),
        case("Asking 2,001 characters", "/ask", {"q": "how " * 500 + "?"}, "4xx"),
    ]
