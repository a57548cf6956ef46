"""Packages in a build, on the real engine and from the real indexes: what is reached, what is not,
and the cache.
"""

from __future__ import annotations

import json
import socket
import uuid
from pathlib import PurePosixPath
from typing import Any

import podkit
import pytest

from grader.engines.base import BuildRequest
from grader.engines.docker.sandbox import DockerSandbox
from grader.errors import BuildFailed
from grader.job import Snapshot
from grader.lab import SourceFile

pytestmark = pytest.mark.docker

LOOK = """
import http.client, json, os, socket, ssl, sys

def ask(port, path, method="GET", headers=None, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read(1 << 20)

def reach(address, port, name=None):
    try:
        raw = socket.create_connection((address, port), timeout=5)
        if name:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.wrap_socket(raw, server_hostname=name)
        return "reached"
    except OSError as error:
        return type(error).__name__

index = os.environ["PIP_INDEX_URL"]
where = index.split("3141", 1)[1]
_, _, page = ask(3141, where + "six/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
files = json.loads(page)["files"]
wheel = next(f["url"] for f in files if f["filename"].startswith("six-1.16") and f["filename"].endswith(".whl"))
path = wheel.split("3141", 1)[1]
ask(3141, path)
meta = json.loads(ask(3143, "/is-number")[2])
names = [line.split()[1] for line in open("/etc/hosts") if line.startswith("127.0.0.4")]
print("LOOK", json.dumps({
    "links": sorted({f["url"].split("/")[2] for f in files}),
    "cache": ask(3141, path)[1].get("X-Seatrial-Cache"),
    "tarball": meta["versions"]["1.0.0"]["dist"]["tarball"].split("/")[2],
    "post": ask(3141, where, "POST")[0],
    "other": ask(3142, "/etc/passwd")[0],
    "forward": ask(3142, "http://127.0.0.1:%s/etc/passwd" % sys.argv[1])[0],
    "mirror": ask(3142, "http://127.0.0.1:%s/debian/nothing" % sys.argv[1])[0],
    "up": ask(3142, "/debian/../../x")[0],
    "host": reach("127.0.0.1", int(sys.argv[1])),
    "tls": reach("127.0.0.4", 443, names[0]),
    "strange": reach("127.0.0.4", 443, "example.test"),
    "interfaces": sorted(os.listdir("/sys/class/net")),
}))
"""


class Built:
    """One build of a Dockerfile on public bases: its lines and the image's configuration."""

    def __init__(
        self, dockerfile: str, files: dict[str, str] | None = None, sandbox: Any = None
    ) -> None:
        texts = {"Dockerfile": dockerfile.replace("ONCE", uuid.uuid4().hex), **(files or {})}
        sources = {PurePosixPath(name): SourceFile(text.encode()) for name, text in texts.items()}
        self.lines: list[str] = []
        sandbox = sandbox or podkit.sandbox()
        bases = sandbox.bases([], self.lines.append)
        request = BuildRequest(
            Snapshot(sources, uuid.uuid4().hex), bases, podkit.labels(), timeout_s=120
        )
        image = sandbox.build(request, self.lines.append, lambda: False)
        try:
            self.config: dict[str, Any] = podkit.client().api.inspect_image(image.id)["Config"]
        finally:
            sandbox.remove_image(image)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def test_a_build_installs_packages_and_reaches_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        built = Built(
            "FROM python:3.12-slim AS build\n"
            "ARG WHEN=ONCE\n"
            "RUN apt-get update -qq && apt-get install -y -qq tree >/dev/null && tree --version\n"
            "RUN pip install -q six==1.16.0 && which python pip && python -c 'import six; "
            "print(six.__file__)'\n"
            f"COPY look.py .\nRUN python look.py {port}\n"
            "FROM python:3.12-slim\n"
            "COPY --from=build /usr/local/lib/python3.13/site-packages "
            "/usr/local/lib/python3.13/site-packages\n"
            "RUN python -c 'import six; print(\"copied\", six.__version__)'\n",
            {"look.py": LOOK},
        )
        ours.settimeout(0.1)
        with pytest.raises(TimeoutError):
            ours.accept()
    look = json.loads(next(line for line in built.lines if line.startswith("LOOK"))[4:])
    assert "/usr/local/bin/python" in built.lines
    assert "copied 1.16.0" in built.lines
    assert look == {
        "links": ["127.0.0.1:3141"],
        "cache": "HIT",
        "tarball": "127.0.0.1:3143",
        "post": 405,
        "other": 403,
        "forward": 403,
        "mirror": 404,
        "up": look["up"],
        "host": "ConnectionRefusedError",
        "tls": "reached",
        "strange": look["strange"],
        "interfaces": ["lo"],
    }
    assert look["up"] in (400, 403)
    assert look["strange"] != "reached"
    assert not any("3141" in entry or "PIP" in entry for entry in built.config["Env"])
    assert any("python:3.12-slim" in line for line in built.lines if line.startswith("Note:"))


def test_without_packages_a_build_has_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_PACKAGES", "none")
    sandbox = DockerSandbox(podkit.client())
    with pytest.raises(BuildFailed, match=r"no Python package|can't reach"):
        Built(
            (
                "FROM debian:trixie-slim\nARG WHEN=ONCE\nRUN python3 -m pip install "
                "--break-system-packages six\n"
            ),
            sandbox=sandbox,
        )


def test_a_build_reads_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_PACKAGES_BUILD_MIB", "1")
    sandbox = DockerSandbox(podkit.client())
    with pytest.raises(BuildFailed, match="more packages than it may") as caught:
        Built(
            (
                "FROM debian:trixie-slim\nARG WHEN=ONCE\nRUN python3 -m pip install "
                "--break-system-packages numpy\n"
            ),
            sandbox=sandbox,
        )
    assert caught.value.advice
