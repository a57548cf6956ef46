"""Helpers for tests that open pods on the real engine."""

from __future__ import annotations

import contextlib
import functools
import json
import textwrap
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
from docker.errors import APIError

from grader import images
from grader.engines.base import ImageRef, PartySpec, PartyState, RunLabels
from grader.engines.docker.pod import DockerPod
from grader.engines.docker.sandbox import DockerSandbox
from grader.engines.labels import LABEL_RUN

INSTALLATION = f"pod-tests-{uuid.uuid4().hex[:8]}"
BASE = "seatrial/base:1"


@functools.cache
def sandbox() -> DockerSandbox:
    """Our sandbox on the engine that answers; images are made if they are missing."""
    found = DockerSandbox(installation=INSTALLATION)
    found.check()
    try:
        found.image(BASE)
    except Exception:
        images.ensure(found.client, lambda _line: None)
    return found


def client() -> docker.DockerClient:
    return sandbox().client


@functools.cache
def image() -> ImageRef:
    """Debian with Python, nothing else."""
    return sandbox().image(BASE)


def labels(**changes: Any) -> RunLabels:
    values = {
        "run_id": uuid.uuid4().hex,
        "fence": 1,
        "installation": INSTALLATION,
        "expires_at": int(time.time()) + 600,
    }
    return RunLabels(**{**values, **changes})


@contextmanager
def pod(*hosts: str, run: RunLabels | None = None) -> Iterator[DockerPod]:
    found = sandbox().open_pod(run or labels(), hosts)
    try:
        yield found
    finally:
        found.destroy()


def party(code: str, name: str = "app", **changes: Any) -> PartySpec:
    """A party that runs ``code`` with the image's Python."""
    values: dict[str, Any] = {
        "role": "app",
        "image": image(),
        "command": ("python3", "-uc", textwrap.dedent(code)),
    }
    return PartySpec(name, **{**values, **changes})


def attacker(code: str, *attacks: str, name: str = "app", **changes: Any) -> PartySpec:
    """A party that defines ``attacks`` as functions, runs each, and prints one JSON object of what
    they returned.
    """
    calls = f"""
import json
found = {{}}
for attack in [{", ".join(attacks)}]:
    try:
        found[attack.__name__] = attack()
    except Exception as error:
        found[attack.__name__] = f"raised {{type(error).__name__}}: {{error}}"
print("RESULT " + json.dumps(found), flush=True)
"""
    return party(textwrap.dedent(code) + calls, name, **changes)


def ended(where: DockerPod, name: str, within_s: float = 30) -> PartyState:
    """Wait until a party has ended."""
    deadline = time.monotonic() + within_s
    while (state := where.state(name)).running:
        assert time.monotonic() < deadline, f"{name} did not end: {where.logs(name)[-1000:]}"
        time.sleep(0.05)
    return state


def result(where: DockerPod, name: str = "app", within_s: float = 40) -> dict[str, Any]:
    """What an attacker printed."""
    ended(where, name, within_s)
    log = where.logs(name)
    lines = [line for line in log.splitlines() if line.startswith("RESULT ")]
    assert lines, f"{name} gave no result: {log[-2000:]}"
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def remove_images(label: str) -> None:
    """Remove every image with a label.

    One that others stand on goes only after them, so it takes several rounds.
    """
    api = client().api
    for _ in range(10):
        for leftover in api.images(all=True, filters={"label": label}):
            with contextlib.suppress(APIError):
                api.remove_image(leftover["Id"], force=True)


def left(run: RunLabels) -> list[str]:
    """What the engine still holds of a run."""
    api, only = client().api, {"label": f"{LABEL_RUN}={run.run_id}"}
    found = [c["Id"] for c in api.containers(all=True, filters=only)]
    found += [v["Name"] for v in api.volumes(filters=only).get("Volumes") or []]
    found += [i["Id"] for i in api.images(all=True, filters=only)]
    return found
