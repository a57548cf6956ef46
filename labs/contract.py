"""A lab's OpenAPI document as rows that a page can show.

The document is the author's; it is still bounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

METHODS = ("get", "post", "put", "patch", "delete")
MAX_OPERATIONS = 40
MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """A body to look at: the author's example, or one made from the schema.

    ``note``: what was left out of it.
    """

    kind: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route with samples of its request, and rows of (status, words, samples) for its
    responses.
    """

    method: str
    path: str
    summary: str
    text: str
    request: tuple[Sample, ...]
    responses: tuple[tuple[str, str, tuple[Sample, ...]], ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def operations(document: bytes) -> list[Operation]:
    """The routes of an OpenAPI document, in its order. An unreadable document has none."""
    try:
        api = yaml.safe_load(document)
    except yaml.YAMLError:
        return []
    found: list[Operation] = []
    paths = api.get("paths") if isinstance(api, dict) else None
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(operation := item.get(method), dict):
                found.append(_operation(api, method.upper(), str(path), operation))
    return found[:MAX_OPERATIONS]


def _operation(api: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> Operation:
    body = _resolve(api, item.get("requestBody"))
    responses = tuple(
        (str(status), str(answer.get("description", "")), _samples_of(api, answer))
        for status, raw in (item.get("responses") or {}).items()
        if (answer := _resolve(api, raw)) is not None
    )
    summary, text = str(item.get("summary", "")), str(item.get("description", ""))
    return Operation(method, path, summary, text, _samples_of(api, body or {}), responses)


def _resolve(api: dict[str, Any], node: Any) -> dict[str, Any] | None:
    """Follow local references, at most eight."""
    for _ in range(8):
        if not isinstance(node, dict):
            return None
        ref = node.get("$ref")
        if not isinstance(ref, str):
            return node
        node = api
        for part in ref.removeprefix("#/").split("/"):
            node = node.get(part) if isinstance(node, dict) else None
    return None


def _samples_of(api: dict[str, Any], holder: dict[str, Any]) -> tuple[Sample, ...]:
    """A sample for each content type."""
    content = holder.get("content")
    if not isinstance(content, dict):
        return ()
    return tuple(
        _sample(api, str(kind), media if isinstance(media, dict) else {})
        for kind, media in content.items()
    )


def _sample(api: dict[str, Any], kind: str, media: dict[str, Any]) -> Sample:
    """The example that is given, else one made from the schema, else nothing but the type."""
    examples = media.get("examples")
    value = media.get("example")
    if value is None and isinstance(examples, dict) and examples:
        value = (_resolve(api, next(iter(examples.values()))) or {}).get("value")
    if value is None:
        value = _from_schema(api, media.get("schema"), 0)
    if value is None:
        return Sample(kind, "")
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return Sample(kind, text.rstrip("\n"), str(media.get("x-shortened", "")))


def _from_schema(api: dict[str, Any], raw: Any, depth: int) -> Any:
    schema = _resolve(api, raw)
    if schema is None or depth > MAX_DEPTH:
        return None
    for key in ("example", "const", "default"):
        if key in schema:
            return schema[key]
    for key, pick in (("examples", 0), ("enum", 0)):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][pick]
    for key in ("oneOf", "anyOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _from_schema(api, schema[key][0], depth + 1)
    if "properties" in schema:
        return {
            str(name): _from_schema(api, sub, depth + 1)
            for name, sub in schema["properties"].items()
        }
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        item = _from_schema(api, schema.get("items"), depth + 1)
        return [] if item is None else [item]
    return {"string": "…", "integer": 0, "number": 0.0, "boolean": True, "object": {}}.get(
        str(kind)
    )
