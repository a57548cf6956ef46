"""SIGTERM while load goes on: a service that finishes its work passes, one that drops it fails."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
import yaml
from tiny import grade, project, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import LabContent, LabSpec
from grader.result import Outcome

pytestmark = pytest.mark.docker

APP = """
import asyncio, os, signal, sys
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

app = FastAPI()

class Text(BaseModel):
    text: str

@app.get("/healthz")
@app.get("/readyz")
async def alive():
    return {"ok": True}

@app.get("/metrics")
async def metrics():
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

@app.post("/reverse")
async def reverse(body: Text):
    await asyncio.sleep(0.4)
    return Text(text=body.text[::-1])

{drop}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning")
"""
DROP = """
def gone(*_):
    os._exit(0)

@app.on_event("startup")
async def drop():
    signal.signal(signal.SIGTERM, gone)
"""
CASES = [{"path": "/reverse", "json": {"text": "abc"}, "expect": {"/text": "cba"}}]


@pytest.mark.parametrize(("drop", "outcome"), [("", Outcome.PASSED), (DROP, Outcome.FAILED)])
def test_what_was_asked_before_sigterm_is_answered(
    tmp_path: Path, sandbox: DockerSandbox, drop: str, outcome: Outcome
) -> None:
    made = tiny_lab(tmp_path)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    spec["rubric"]["criteria"][1]["checks"] = [
        {"check": "sigterm_under_load", "params": {"cases": CASES}}
    ]
    lab = LabContent(LabSpec.model_validate(spec), made.files, made.digest)
    found = grade(lab, project(APP.replace("{drop}", drop)), sandbox).criteria[1]
    assert found.outcome is outcome, found
    assert found.series[0].marks[0].text == "SIGTERM for app"
    if outcome is Outcome.FAILED:
        assert "before SIGTERM" in found.message
