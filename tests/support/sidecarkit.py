"""Sidecars in a pod of a test: started and greeted as the engine does it, with a client beside
them.
"""

from __future__ import annotations

import json
from typing import Any

import podkit

from grader.engines.base import Channel, PartySpec
from grader.engines.docker.pod import DockerPod
from grader.lab import Sidecar
from grader.sidecars import KINDS
from grader.sidecars.base import config_of

CLIENT = """
import json, http.client, sys, time
def call(method, path, body=None, key="k", stream=False):
    c = http.client.HTTPConnection("models", 9100, timeout=20)
    c.request(method, path, json.dumps(body) if body else None, {"Authorization": "Bearer " + key})
    r = c.getresponse()
    try:
        raw = r.read()
    except Exception as error:
        return {"status": r.status, "error": type(error).__name__}
    return {"status": r.status, "text": raw.decode(), "retry": r.getheader("retry-after")}
def ask(question, **more):
    text = CONTEXT + "\\nQuestion: " + question
    return {"model": "reader", "messages": [{"role": "user", "content": text}], **more}
CONTEXT = "[c17] Refunds owed under Cedar Plus are transferred within 42 days.\\n" \\
    "[c18] {p} bears a deductible of 90 dollars per claim.".replace("{p}", "Cedar Plus")
"""


def sidecar_party(sidecar: Sidecar) -> PartySpec:
    kind = KINDS[sidecar.kind]
    return PartySpec(
        sidecar.name,
        "sidecar",
        podkit.sandbox().image(kind.image),
        port=sidecar.port,
        command=kind.command,
        env={"PORT": str(sidecar.port), **sidecar.env, **kind.env(sidecar)},
        cpu=0.8,
        memory_mb=sidecar.memory_mb,
        pids=kind.pids,
        tmp_mb=kind.tmp_mb,
        data_mb=kind.data_mb,
        interactive=kind.interactive,
    )


def greet(pod: DockerPod, sidecar: Sidecar) -> Channel:
    channel = pod.open_channel(sidecar.name)
    start = {"type": "start", "seed": "s1", "name": sidecar.name, "port": sidecar.port}
    channel.send(json.dumps({**start, "config": config_of(KINDS[sidecar.kind], sidecar)}))
    assert json.loads(channel.receive(60) or pod.logs(sidecar.name)) == {"type": "ready"}
    return channel


def command(channel: Channel, payload: dict[str, Any], number: int = 1) -> dict[str, Any]:
    channel.send(json.dumps({"type": "command", "id": number, "payload": payload}))
    reply = json.loads(channel.receive(20) or "{}")
    assert (reply.get("id"), reply.get("ok")) == (number, True), reply
    data: dict[str, Any] = reply["data"]
    return data


def run_client(pod: DockerPod, name: str, code: str) -> Any:
    pod.start(podkit.party(CLIENT + code, name))
    return podkit.result(pod, name)
