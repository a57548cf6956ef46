"""Copies of the service behind a real balancer: all are used, one may die under load, and it comes
back.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from tiny import grade, project, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.events import Event, EvidenceCollected
from grader.lab import LabContent, LabSpec, Sidecar, SourceFile
from grader.result import Outcome, Verdict

pytestmark = pytest.mark.docker

APP = """
import os, signal, sys
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

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
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


def replicated(folder: Path, check: dict[str, Any] | None = None) -> LabContent:
    made = tiny_lab(folder)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    spec["replicas"] = {"count": 2}
    spec["rubric"]["criteria"][1]["checks"] = [check or {"check": "lab:lost.LosesOne"}]
    files = {**made.files, PurePosixPath("checks/lost.py"): SourceFile(CHECK)}
    return LabContent(LabSpec.model_validate(spec), files, made.digest)


def test_a_replica_is_lost_under_load_and_comes_back(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    seen: list[Event] = []
    result = grade(replicated(tmp_path), project(APP), sandbox, seen)
    assert [r.outcome for r in result.criteria] == [Outcome.PASSED, Outcome.PASSED], result
    assert result.verdict is Verdict.PASSED
    evidence = {e.name: e.content for e in seen if isinstance(e, EvidenceCollected)}
    assert "app-1: copy 1 on 18081" in evidence["app.log"]
    assert "app-2: copy 2 on 18082" in evidence["app.log"]
    assert '"app-2"' in evidence["usage.json"]


def test_a_copy_that_never_gets_ready_is_named_by_its_port(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    lab = replicated(tmp_path)
    limits = lab.spec.limits.model_copy(update={"ready_s": 5})
    lab = LabContent(lab.spec.model_copy(update={"limits": limits}), lab.files, lab.digest)
    stuck = APP.replace(
        "uvicorn.run(",
        "if os.environ['REPLICA'] == '2':\n    import time; time.sleep(60)\nuvicorn.run(",
    )
    result = grade(lab, project(stuck), sandbox)
    assert result.verdict is Verdict.NOT_GRADABLE
    assert "18082" in result.reason


ROLLING = {
    "check": "rolling_replacement",
    "params": {
        "rate_per_s": 30,
        "calm_s": 1,
        "settle_s": 1,
        "cases": [{"path": "/reverse", "json": {"text": "abc"}, "expect": {"/text": "cba"}}],
    },
}


def test_copies_are_replaced_one_by_one_and_nobody_notices(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    result = grade(replicated(tmp_path, ROLLING), project(APP), sandbox)
    found = result.criteria[1]
    assert found.outcome is Outcome.PASSED, found
    assert [mark.text for mark in found.series[0].marks] == [
        "SIGTERM for app-1",
        "SIGTERM for app-2",
    ]


def test_a_copy_that_drops_everything_on_sigterm_fails_the_replacement(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    abrupt = APP.replace(
        "uvicorn.run(app",
        "import signal\n"
        "server = uvicorn.Server(uvicorn.Config(app, host='0.0.0.0', "
        "port=int(os.environ['PORT'])))\n"
        "server.install_signal_handlers = lambda: None\n"
        "server.capture_signals = __import__('contextlib').nullcontext\n"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(3))\n"
        "server.run()\n(lambda *_, **__: None)(app",
    )
    found = grade(replicated(tmp_path, ROLLING), project(abrupt), sandbox).criteria[1]
    assert found.outcome is Outcome.FAILED, found
    assert "exited with code 3" in found.message or "failed" in found.message


KEEPS = """
import os
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
import valkey

app = FastAPI()
store = valkey.Valkey.from_url(os.environ["VALKEY_URL"], decode_responses=True)

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
def reverse(body: Text):
    store.set("last", body.text)
    return Text(text=body.text[::-1])

@app.get("/last")
def last():
    return {"text": store.get("last")}

uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning")
"""
STATELESS = {
    "check": "stateless",
    "params": {
        "writes": [{"path": "/reverse", "json": {"text": "kept"}}],
        "reads": [{"method": "GET", "path": "/last", "expect": {"/text": "kept"}}],
    },
}
OWN_MEMORY = """
class Own(dict):
    set = dict.__setitem__
store = Own()
"""


@pytest.mark.parametrize(("more", "outcome"), [("", Outcome.PASSED), (OWN_MEMORY, Outcome.FAILED)])
def test_state_in_a_process_is_found_out(
    tmp_path: Path, sandbox: DockerSandbox, more: str, outcome: Outcome
) -> None:
    lab = replicated(tmp_path, STATELESS)
    state = Sidecar(
        name="state", kind="valkey", port=6379, app_env={"VALKEY_URL": "valkey://{host}:{port}/0"}
    )
    lab = LabContent(lab.spec.model_copy(update={"sidecars": [state]}), lab.files, lab.digest)
    found = grade(
        lab, project(KEEPS.replace("class Text", more + "\nclass Text")), sandbox
    ).criteria[1]
    assert found.outcome is outcome, found
    if outcome is Outcome.FAILED:
        assert "app-2 does not know" in found.message
