"""HTTP cases: requests with what their answer must look like. Shared by the contract, functional
and persistence checks, so that a lab writes them in one way.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from typing import Any

from pydantic import Field

from grader.checks.base import Context
from grader.checks.seeds import seeded
from grader.http.client import Target
from grader.http.response import Response
from grader.load.targeter import Answer, Request, is_unanswered, json_request
from grader.result import Frozen


class Case(Frozen):
    """One request.

    ``status`` is a code, or a class such as '4xx'. ``expect`` maps JSON pointers to exact values.
    """

    title: str = Field("", description="what this case shows, for the message")
    method: str = "POST"
    path: str
    json_body: Any = Field(None, alias="json")
    raw: str | None = Field(None, description="a body sent as it stands, e.g. malformed JSON")
    headers: dict[str, str] = {}
    status: int | str = 200
    expect: dict[str, Any] = {}
    timeout_s: float = 15.0

    def name(self) -> str:
        return self.title or f"{self.method} {self.path}"


def collect(ctx: Context, cases: list[Case], cases_from: str) -> list[Case]:
    """The written cases with their seeded values, and those that ``cases_from`` ('module.function'
    of the lab) makes from the seed.
    """
    cases = [Case.model_validate(seeded(case.model_dump(by_alias=True), ctx.rng)) for case in cases]
    if not cases_from:
        return cases
    module, _, name = cases_from.rpartition(".")
    make: Callable[[Context], list[dict[str, Any]]] = getattr(ctx.lab_module(module), name)
    return [*cases, *(Case.model_validate(c) for c in make(ctx))]


async def send(target: Target, case: Case) -> Response:
    """Send a case. Never raises for what the other side does."""
    body = case.raw.encode() if case.raw is not None else None
    headers = dict(case.headers)
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    return await target.request(
        case.method,
        case.path,
        json=case.json_body,
        body=body,
        headers=headers,
        timeout_s=case.timeout_s,
    )


def unavailable(response: Response) -> bool:
    """No answer, 429 or a server error: a machine without a free processor brings these about,
    too.
    """
    return bool(response.error) or is_unanswered(response.status)


def problem(case: Case, response: Response) -> str:
    """What is wrong with the answer's status or values, in words; empty when nothing is."""
    if response.error:
        return f"got no complete answer: {response.error}"
    assert response.status is not None
    return _judge(case, response.status, response.json)


def _judge(case: Case, status: int, document: Callable[[], Any]) -> str:
    if not _status_fits(case.status, status):
        return f"answered {status}, expected {case.status}"
    if case.expect:
        found_document = document()
        for pointer, wanted in case.expect.items():
            found = at_pointer(found_document, pointer)
            if found != wanted:
                return f"{pointer} is {_shown(found)}, expected {_shown(wanted)}"
    return ""


def loaded(case: Case) -> Request:
    """The same case as a request of the load generator, with the same judgement of its answer."""

    def validate(answer: Answer) -> str:
        return _judge(case, answer.status, answer.json)

    if case.raw is None and case.json_body is not None:
        return json_request(
            case.method, case.path, case.json_body, headers=case.headers, validate=validate
        )
    headers = dict(case.headers)
    if case.raw is not None:
        headers.setdefault("Content-Type", "application/json")
    return Request(case.method, case.path, (case.raw or "").encode(), headers, validate)


def _status_fits(wanted: int | str, status: int) -> bool:
    if isinstance(wanted, int):
        return status == wanted
    return wanted.lower() == f"{status // 100}xx"


def at_pointer(document: Any, pointer: str) -> Any:
    """The value at an RFC 6901 JSON pointer, or None."""
    for part in pointer.strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _shown(value: Any) -> str:
    return jsonlib.dumps(value, ensure_ascii=False)[:120]
