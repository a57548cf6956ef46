"""A content folder with one small lab, as an author would write it."""

from __future__ import annotations

from pathlib import Path

import pytest

LAB_YAML = """\
id: echo-lab
number: 7
version: 1.0.0
title: Say it again
summary: A service that repeats what it hears.
level: 2
hours: 3
skills: [serve]
rubric:
  criteria:
    - {id: contract, title: Contract, rule: all requests, weight: 40, gate: true, checks: [{check: contract}]}
    - {id: fast, title: Fast enough, what: Beside the baseline, rule: at most 2 x R, weight: 60, hint: 1,
       checks: [{check: latency_ratio, params: {threshold: 2, cases: [{path: /echo, json: {text: a}}]}}]}
"""
OPENAPI = """\
openapi: 3.1.0
info: {title: Echo, version: "1"}
paths:
  /echo:
    post:
      summary: Repeat a text
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Text"}}}}
      responses:
        "200": {description: The same text, content: {application/json: {example: {text: hello}}}}
components:
  schemas:
    Text: {type: object, properties: {text: {type: string}, times: {type: integer}}}
"""


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.SEATRIAL_HOME = tmp_path / "home"
    (tmp_path / "home").mkdir(exist_ok=True)
    return tmp_path / "home"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    root = tmp_path / "content"
    lab = root / "labs" / "echo-lab"
    files = {
        lab / "lab.yaml": LAB_YAML,
        lab / "openapi.yaml": OPENAPI,
        lab
        / "README.md": "# Say it again\n\nA parrot **costs** money.\n\n<script>alert('brief')</script>\n",
        lab / "hints" / "1-cache.md": "# Where time goes\n\nMeasure first.\n",
        lab / "starter" / "Dockerfile": "FROM seatrial/runtime:1\n",
        lab / "submissions" / "reference" / "Dockerfile": "FROM seatrial/runtime:1\n",
        lab / "submissions" / "reference" / "expect.yaml": "verdict: passed\n",
        root / "skills.yaml": "skills:\n  - {id: serve, title: Model servers, text: Serving.}\n",
        root
        / "tracks"
        / "infra.yaml": "id: infra\ntitle: Infrastructure\ntext: x\nlabs: [echo-lab, not-yet]\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
