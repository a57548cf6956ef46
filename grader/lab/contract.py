"""A lab's OpenAPI document: it can be read, points at what is there, and its examples are what it
asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import yaml

from grader.errors import SpecError
from grader.lab.parse import line_of

METHODS = ("get", "post", "put", "patch", "delete")
SHORTENED = "x-shortened"
"""Beside an example: what was left out of it, in words.

Its arrays may be shorter than the schema asks for.
"""
LENGTHS = ("minItems", "maxItems")
ADVICE = "Mend the contract: pages show it to learners, and answers are held against it."
Where = tuple[int | str, ...]


def refuse_unreadable(text: str, name: str) -> None:
    """Raise SpecError with one line for each fault. ``name`` stands before the line numbers."""
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{name}:{line}: not valid YAML: {error.problem}", ADVICE) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"{name}:1: not valid YAML: {str(error)[:200]}", ADVICE) from None
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict) or not paths:
        raise SpecError(f"{name}:1: paths: the contract has no routes", ADVICE)
    dangling = [(where, f"{ref!r} is not in this document") for where, ref in _dangling(document)]
    faults = dangling or list(_faults(document))
    if faults:
        lines = (
            f"{name}:{line_of(text, where)}: {'.'.join(map(str, where))}: {said}"
            for where, said in faults
        )
        raise SpecError("\n".join(lines), ADVICE)


def target_of(document: Any, reference: str) -> Any:
    """What a reference such as ``#/components/schemas/Error`` points at, or None."""
    if not reference.startswith("#/"):
        return None
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _dangling(document: Any) -> Iterator[tuple[Where, str]]:
    for where, node in _nodes(document, ()):
        ref = node.get("$ref")
        if isinstance(ref, str) and target_of(document, ref) is None:
            yield (*where, "$ref"), ref


def _nodes(node: Any, where: Where) -> Iterator[tuple[Where, dict[str, Any]]]:
    """Every mapping of a document with its place."""
    if isinstance(node, dict):
        yield where, node
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield from _nodes(value, (*where, key))


def _faults(document: dict[str, Any]) -> Iterator[tuple[Where, str]]:
    """Schemas that are none, and examples that break theirs."""
    for where, media in _media(document):
        schema = media.get("schema")
        if schema is None:
            continue
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            yield (*where, "schema"), f"no JSON schema: {error.message[:200]}"
            continue
        if "example" in media and where[-1] == "application/json":
            yield from _odd_example(document, where, media)


def _odd_example(
    document: dict[str, Any], where: Where, media: dict[str, Any]
) -> Iterator[tuple[Where, str]]:
    rooted = {**media["schema"], "components": document.get("components", {})}
    if SHORTENED in media:
        rooted = _without_lengths(rooted)
    error = next(iter(jsonschema.Draft202012Validator(rooted).iter_errors(media["example"])), None)
    if error is not None:
        place = "/".join(map(str, error.absolute_path))
        yield (*where, "example"), f"breaks its schema at /{place}: {error.message[:200]}"


def _without_lengths(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_lengths(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_lengths(value) for key, value in node.items() if key not in LENGTHS}


def _media(document: dict[str, Any]) -> Iterator[tuple[Where, dict[str, Any]]]:
    """Every content type of every request and response, with its place."""
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                continue
            here: Where = ("paths", path, method)
            answers = operation.get("responses")
            holders: list[tuple[Where, Any]] = [
                ((*here, "requestBody"), operation.get("requestBody"))
            ]
            holders += [
                ((*here, "responses", s), a)
                for s, a in (answers if isinstance(answers, dict) else {}).items()
            ]
            for where, holder in holders:
                content = holder.get("content") if isinstance(holder, dict) else None
                for kind, media in (content if isinstance(content, dict) else {}).items():
                    if isinstance(media, dict):
                        yield (*where, "content", kind), media
