"""``contract``: every route answers with the status, content type and schema of the lab's OpenAPI
document.
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import yaml

from grader.checks.base import Check, Context, Params
from grader.checks.cases import Case, collect, problem, send
from grader.checks.outcome import counted, every, failed, passed
from grader.http import media_type
from grader.http.response import Response
from grader.result import Measurement

UNIT = "requests as specified"


class ContractParams(Params):
    """Cases to send: written ones, and ``cases_from`` 'module.function' of the lab's checks, made
    from the seed.
    """

    cases: list[Case] = []
    cases_from: str = ""


class Contract(Check):
    id = "contract"
    params_model = ContractParams
    params: ContractParams

    async def run(self, ctx: Context) -> Measurement:
        document = yaml.safe_load(ctx.lab_file(ctx.spec.contract))
        cases = collect(ctx, self.params.cases, self.params.cases_from)
        good = 0
        first: tuple[Case, Response, str] | None = None
        for case in cases:
            response = await send(ctx.app, case)
            wrong = problem(case, response) or breach(document, case, response)
            if wrong and first is None:
                first = (case, response, wrong)
            good += not wrong
            if response.error and "connect" in response.error:
                break  # nothing listens any more: the rest would say the same
        measured = counted(good, len(cases), UNIT)
        if first is not None:
            case, response, wrong = first
            return failed(f"{case.name()}: {wrong}.", measured, every("requests"), ADVICE, response)
        return passed(
            "Every route returned its shape; bad input was refused.", measured, every("requests")
        )


ADVICE = (
    "Compare the answer below with the lab's contract. Bad input is 4xx with a JSON body, never "
    "5xx; "
    "every answer has the content type that the contract names."
)


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """The OpenAPI operation for a concrete path, templates such as ``/docs/{id}`` included."""
    path = path.partition("?")[0]
    for template, item in document.get("paths", {}).items():
        pattern = "".join(
            "[^/]+" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[^}]+\})", template)
        )
        if re.fullmatch(pattern, path) and method.lower() in item:
            operation: dict[str, Any] = item[method.lower()]
            return operation
    return None


def breach(document: dict[str, Any], case: Case, response: Response) -> str:
    """How the answer departs from the document; empty when it doesn't, or the document says nothing
    of it.
    """
    operation = operation_of(document, case.method, case.path)
    if operation is None:
        return ""
    responses = operation.get("responses", {})
    status = str(response.status)
    described = responses.get(status) or responses.get(f"{status[0]}XX") or responses.get("default")
    if described is None:
        return f"status {status} is not in the contract"
    if "$ref" in described:
        described = _resolve(document, described["$ref"])
    content = described.get("content")
    if not content:
        return ""
    kind = media_type(response.headers.get("content-type", ""))
    if kind not in content:
        return f"content type is {kind[:80]!r}, the contract says {' or '.join(content)}"
    schema = content[kind].get("schema")
    if schema is None or kind != "application/json":
        return ""
    return schema_breach(document, schema, response.json())


def _resolve(document: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved


def schema_breach(document: dict[str, Any], schema: dict[str, Any], instance: Any) -> str:
    """The first place where ``instance`` departs from ``schema``; references point into
    ``document``.
    """
    rooted = {**schema, "components": document.get("components", {})}
    validator = jsonschema.Draft202012Validator(rooted)
    error = next(iter(validator.iter_errors(instance)), None)
    if error is None:
        return ""
    where = "/" + "/".join(str(p) for p in error.absolute_path)
    return f"the body breaks the schema at {where[:120]}: {error.message[:200]}"
