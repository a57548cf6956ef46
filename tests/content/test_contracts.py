"""The contracts of our labs: they have the lab's version, and an example of everything that carries
a body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from site_up import ROOT

LABS = sorted(path.parent.name for path in (ROOT / "content" / "labs").glob("*/lab.yaml"))
BINARY = "application/octet-stream"


def read(lab: str, name: str) -> Any:
    return yaml.safe_load((ROOT / "content" / "labs" / lab / name).read_text())


@pytest.mark.parametrize("lab", LABS)
def test_the_contract_has_the_labs_version(lab: str) -> None:
    assert read(lab, "openapi.yaml")["info"]["version"] == read(lab, "lab.yaml")["version"]


@pytest.mark.parametrize("lab", LABS)
def test_every_body_has_an_example(lab: str) -> None:
    bare = [where for where, media in bodies(read(lab, "openapi.yaml")) if "example" not in media]
    assert bare == []


def bodies(document: Any) -> Iterator[tuple[str, Any]]:
    """Requests and good answers that have a schema.

    That the examples fit is looked at when a lab is read.
    """
    for path, item in document["paths"].items():
        for method, operation in item.items():
            good = [
                answer
                for status, answer in operation["responses"].items()
                if str(status).startswith("2")
            ]
            for holder in (operation.get("requestBody", {}), *good):
                for kind, media in holder.get("content", {}).items():
                    if media.get("schema") and kind != BINARY:
                        yield f"{method} {path} {kind}", media
