"""Requests of the contract criterion, made from the seed."""

from __future__ import annotations

from typing import Any

from lab_checks.world import conversations, headers_of, key_of, new_key

from grader.lab_api import Context

CHAT = "/v1/chat/completions"


def contract(ctx: Context) -> list[dict[str, Any]]:
    """A key's life, then bad input of every route."""
    key = new_key(ctx, "contract")
    admin, own = headers_of(ctx.spec.service.env["ADMIN_TOKEN"]), headers_of(key)
    policy = {"keys": [key_of(key, rate=50, burst=100)]}
    body = conversations(ctx, "contract", 1)[0]

    def case(
        title: str, path: str, json: Any, status: int | str, headers: dict[str, str], **more: Any
    ) -> Any:
        return {
            "title": title,
            "path": path,
            "json": json,
            "status": status,
            "headers": headers,
            **more,
        }

    return [
        case("A policy without a token", "/admin/policy", policy, 401, {}, method="PUT"),
        case("A policy with a key for a token", "/admin/policy", policy, 401, own, method="PUT"),
        case("A completion with an unknown key", CHAT, body, 401, own),
        case("Installing a key", "/admin/policy", policy, "2xx", admin, method="PUT"),
        case("Installing it again", "/admin/policy", policy, "2xx", admin, method="PUT"),
        case("A completion", CHAT, body, 200, own),
        case("A streamed completion", CHAT, {**body, "stream": True}, 200, own),
        case("A completion without a key", CHAT, body, 401, {}),
        case("The usage", "/v1/usage", None, 200, own, method="GET"),
        case("The usage without a key", "/v1/usage", None, 401, {}, method="GET"),
        case(
            "A key without a rate",
            "/admin/policy",
            {"keys": [{"key": key}]},
            "4xx",
            admin,
            method="PUT",
        ),
        case("A completion without messages", CHAT, {"model": body["model"]}, "4xx", own),
        case("Messages that are no list", CHAT, {**body, "messages": "none"}, "4xx", own),
        case("max_tokens that is text", CHAT, {**body, "max_tokens": "many"}, "4xx", own),
        case("A body that is not JSON", CHAT, None, "4xx", own, raw='{"model": '),
    ]
