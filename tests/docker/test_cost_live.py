"""What answers cost, by a real gateway's ledger: a cache that is right passes, one that lies and
none at all fail.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from tiny import grade, project, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import LabContent, LabSpec, SourceFile
from grader.result import Outcome

pytestmark = pytest.mark.docker

APP = """
import os
import httpx, uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

app = FastAPI()
models = httpx.Client(base_url=os.environ["MODELS_URL"], timeout=20)
kept = {}

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
    key = KEY(body.text)
    if key is None or key not in kept:
        message = {"role": "user", "content": body.text}
        answer = models.post("/v1/chat/completions", json={"model": "chat", "messages": [message], "max_tokens": 8})
        kept[key] = answer.json()["choices"][0]["message"]["content"]
    return Text(text=kept[key])

uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning")
"""
CHECKS = b"""
from types import SimpleNamespace

from grader.checks.base import Check
from grader.checks.cost import Bill, Hit, budget_kept, cache_hits, cost_per_correct, read_bill
from grader.sidecars.model_gateway.prompt import ChatRequest
from grader.sidecars.model_gateway.replies import stream
from grader.sidecars.model_gateway.seeded import digest_of

ROUNDS = 3


def body_of(question):
    return {"model": "chat", "messages": [{"role": "user", "content": question}], "max_tokens": 8}


def right(seed, question):
    request = ChatRequest.model_validate(body_of(question))
    digest = digest_of(request.model, [m.model_dump() for m in request.messages])
    return {stream(SimpleNamespace(seed=seed), request, digest, attempt).text for attempt in range(8)}


async def asked(ctx):
    if "asked" not in ctx.shared:
        rng = ctx.rng("cost")
        questions = [f"How long is order {rng.randrange(10**6)} under way?" for _ in range(8)]
        begun, hits, correct = await read_bill(ctx, ["models"]), [], 0
        for _ in range(ROUNDS):
            for question in questions:
                before = await read_bill(ctx, ["models"])
                text = (await ctx.app.request("POST", "/reverse", json={"text": question})).json()["text"]
                fresh = (await read_bill(ctx, ["models"])).since(before)
                good = text in right(ctx.seed, question)
                correct += good
                hits.append(Hit(question, fresh.requests == 0, good))
        spent = (await read_bill(ctx, ["models"])).since(begun)
        for question in questions * ROUNDS:
            await ctx.target("models").request("POST", "/v1/chat/completions", json=body_of(question))
        always = (await read_bill(ctx, ["models"])).since(begun).since(spent)
        ctx.shared["asked"] = spent, correct, hits, always
    return ctx.shared["asked"]


class Price(Check):
    id = "price"

    async def run(self, ctx):
        spent, correct, hits, always = await asked(ctx)
        return cost_per_correct(spent, correct, always, len(hits), at_most=0.5)


class Cached(Check):
    id = "cached"

    async def run(self, ctx):
        return cache_hits((await asked(ctx))[2], at_least=0.5, wrong_at_most=0.0)


class Budget(Check):
    id = "budget"

    async def run(self, ctx):
        always = (await asked(ctx))[3]
        reply = await ctx.control("command", "models", payload={"command": "ledger"})
        return budget_kept(reply["rows"][: len(reply["rows"]) - always.requests], always.cost_micro // 2)
"""


def lab(folder: Path) -> LabContent:
    made = tiny_lab(folder)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    models = {
        "chat": {
            "kind": "stream",
            "ttft_ms": 5,
            "itl_ms": 1,
            "prompt_price": 2,
            "completion_price": 6,
        }
    }
    spec["sidecars"] = [
        {
            "name": "models",
            "kind": "model-gateway",
            "port": 9100,
            "config": {"models": models, "embeddings": False},
            "app_env": {"MODELS_URL": "http://{host}:{port}"},
        }
    ]
    rows: list[dict[str, Any]] = [
        {
            "id": name.lower(),
            "title": name,
            "rule": "its bound",
            "weight": 20,
            "checks": [{"check": f"lab:cost.{name}"}],
        }
        for name in ("Price", "Cached", "Budget")
    ]
    memory = {"check": "peak_memory", "params": {"at_most_mb": 200}}
    rows.append(
        {"id": "memory", "title": "Memory", "rule": "200 MB", "weight": 40, "checks": [memory]}
    )
    spec["rubric"]["criteria"] = rows
    files = {**made.files, PurePosixPath("checks/cost.py"): SourceFile(CHECKS)}
    return LabContent(LabSpec.model_validate(spec), files, made.digest)


@pytest.mark.parametrize(
    ("key", "failing"),
    [
        ("KEY = lambda text: text", set()),
        ("KEY = lambda text: None", {"price", "cached", "budget"}),
        (
            "KEY = lambda text: text.split()[0]",
            {"cached"},
        ),  # one call, right for the first question: cheap, and a lie
    ],
)
def test_the_ledger_decides(
    tmp_path: Path, sandbox: DockerSandbox, key: str, failing: set[str]
) -> None:
    result = grade(
        lab(tmp_path), project(APP.replace("class Text", f"{key}\n\nclass Text")), sandbox
    )
    found = {r.criterion for r in result.criteria if r.outcome is not Outcome.PASSED}
    assert found == failing, [(r.criterion, r.message) for r in result.criteria]
