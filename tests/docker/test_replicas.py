"""Copies of the service behind a real balancer: all are used, one may die under load, and it comes back."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
import yaml
from tiny import grade, project, tiny_lab

from grader.events import Event, EvidenceCollected
from grader.result import Outcome, Verdict
from grader.sandbox.docker import DockerSandbox
from grader.spec import LabContent, LabSpec, SourceFile

pytestmark = pytest.mark.docker

APP = """
import os, sys
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

app = FastAPI()
print("copy", os.environ["REPLICA"], "on", os.environ["PORT"], flush=True)

class Text(BaseModel):
    text: str

@app.get("/healthz")
@app.get("/readyz")
def alive():
    return {"ok": True}

@app.get("/metrics")
def metrics():
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

@app.post("/reverse")
def reverse(body: Text, response: Response):
    response.headers["X-Replica"] = os.environ["REPLICA"]
    return Text(text=body.text[::-1])

uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning")
"""
CHECK = b"""
import asyncio
from grader.checks.base import Check
from grader.checks.outcome import counted, every, failed, passed
from grader.load.background import Background
from grader.load.targeter import json_request


class LosesOne(Check):
    id = "loses-one"

    async def run(self, ctx):
        served = []

        def judge(answer):
            served.append(answer.headers.get("x-replica"))
            return "" if answer.status == 200 else f"status {answer.status}"

        request = json_request("POST", "/reverse", {"text": "abc"}, validate=judge)
        async with Background(ctx.app, 40, lambda _index: request) as load:
            await asyncio.sleep(1.0)
            before = set(served)
            await ctx.control("signal", ctx.replicas[0], signal="SIGKILL")
            await asyncio.sleep(2.0)
            served.clear()
            await asyncio.sleep(1.0)
            during = set(served)
            await ctx.control("restart", ctx.replicas[0])
            await asyncio.sleep(4.0)
            served.clear()
            await asyncio.sleep(1.0)
            after = set(served)
        wrong = sum(load.samples.errors().values())
        direct = (await ctx.target(ctx.replicas[1]).request("POST", "/reverse", json={"text": "x"})).headers
        found = (before, during, after, direct.get("x-replica"))
        right = ({"1", "2"}, {"2"}, {"1", "2"}, "2")
        measured = counted(len(load.samples) - wrong, len(load.samples), "requests")
        if found != right or wrong > len(load.samples) * 0.2 or len(load.samples) < 300:
            return failed(f"{found}, {load.samples.errors()}", measured, every("requests"), "none")
        return passed("one was lost and came back", measured, every("requests"))
"""


def replicated(folder: Path) -> LabContent:
    made = tiny_lab(folder)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    spec["replicas"] = {"count": 2}
    spec["rubric"]["criteria"][1]["checks"] = [{"check": "lab:lost.LosesOne"}]
    files = {**made.files, PurePosixPath("checks/lost.py"): SourceFile(CHECK)}
    return LabContent(LabSpec.model_validate(spec), files, made.digest)


def test_a_replica_is_lost_under_load_and_comes_back(tmp_path: Path, sandbox: DockerSandbox) -> None:
    seen: list[Event] = []
    result = grade(replicated(tmp_path), project(APP), sandbox, seen)
    assert [r.outcome for r in result.criteria] == [Outcome.PASSED, Outcome.PASSED], result
    assert result.verdict is Verdict.PASSED
    evidence = {e.name: e.content for e in seen if isinstance(e, EvidenceCollected)}
    assert "app-1: copy 1 on 18081" in evidence["app.log"]
    assert "app-2: copy 2 on 18082" in evidence["app.log"]
    assert '"app-2"' in evidence["usage.json"]


def test_a_copy_that_never_gets_ready_is_named_by_its_port(tmp_path: Path, sandbox: DockerSandbox) -> None:
    lab = replicated(tmp_path)
    limits = lab.spec.limits.model_copy(update={"ready_s": 5})
    lab = LabContent(lab.spec.model_copy(update={"limits": limits}), lab.files, lab.digest)
    stuck = APP.replace(
        "uvicorn.run(", "if os.environ['REPLICA'] == '2':\n    import time; time.sleep(60)\nuvicorn.run("
    )
    result = grade(lab, project(stuck), sandbox)
    assert result.verdict is Verdict.NOT_GRADABLE
    assert "18082" in result.reason
