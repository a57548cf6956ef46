"""Part 7: whatever a learner sends ends in the right verdict, in time, with words that help."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tiny import DOCKERFILE, grade, project, reference, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import LabContent
from grader.result import Outcome, Verdict

pytestmark = pytest.mark.docker

ANSWER = """
import http.server, os, sys, threading, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/readyz":
            self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
        else:
            self.misbehave()
    def do_POST(self):
        self.misbehave()
    def log_message(self, *a): pass
    def misbehave(self):
        {body}
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), H).serve_forever()
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabContent:
    return tiny_lab(tmp_path, ready_s=8, run_s=40, build_s=15)


def leftovers(sandbox: DockerSandbox) -> list[str]:
    """Names of containers of test runs that are still there."""
    found = sandbox.client.containers.list(
        all=True, ignore_removed=True, filters={"label": "seatrial.installation=test"}
    )
    return [c.name for c in found]


def test_the_reference_passes(lab: LabContent, sandbox: DockerSandbox) -> None:
    result = grade(lab, reference(lab), sandbox)
    assert (result.verdict, result.score) == (Verdict.PASSED, 100), result
    assert leftovers(sandbox) == []


NOT_GRADABLE = {
    "forbidden base": (project("", 'FROM ubuntu:24.04\nCMD ["true"]\n'), "ubuntu:24.04"),
    "build fails": (project("", "FROM seatrial/runtime:1\nRUN echo so-sad && exit 7\n"), "7"),
    "build hangs": (project("", "FROM seatrial/runtime:1\nRUN sleep 600\n"), "15 s"),
    "build floods its log": (
        project("", "FROM seatrial/runtime:1\nRUN yes floooooood\n"),
        "output",
    ),
    "no such program": (project("", 'FROM seatrial/runtime:1\nCMD ["no-such-program"]\n'), "start"),
    "exits at once": (project("raise SystemExit(3)"), "code 3"),
    "never listens": (project("import time; time.sleep(600)"), "Nothing listened on port 8080"),
    "wrong port": (
        project(
            "import http.server as h; h.HTTPServer(('0.0.0.0', 5000), "
            "h.SimpleHTTPRequestHandler).serve_forever()"
        ),
        "listens on 0.0.0.0:5000",
    ),
    "loopback only": (
        project(
            "import http.server as h; h.HTTPServer(('127.0.0.1', 8080), "
            "h.BaseHTTPRequestHandler).serve_forever()"
        ),
        "only on 127.0.0.1",
    ),
    "never ready": (
        project(
            "import http.server as h\n"
            "h.ThreadingHTTPServer(('0.0.0.0', 8080), h.BaseHTTPRequestHandler).serve_forever()"
        ),
        "last status was 501",
    ),
    "too much memory": (project("x = b'a' * (600 << 20)\nimport time; time.sleep(600)"), "memory"),
    "accepts and says nothing": (
        project(
            "import socket, time\ns = socket.create_server(('0.0.0.0', 8080))\ntime.sleep(600)"
        ),
        "got no HTTP answer",
    ),
}


@pytest.mark.parametrize("name", NOT_GRADABLE)
def test_not_gradable(name: str, lab: LabContent, sandbox: DockerSandbox) -> None:
    snapshot, wanted = NOT_GRADABLE[name]
    began = time.monotonic()
    result = grade(lab, snapshot, sandbox)
    took = time.monotonic() - began
    assert result.verdict is Verdict.NOT_GRADABLE, result
    assert wanted in result.reason
    assert result.advice
    assert took < 60
    assert leftovers(sandbox) == []


FAILING = {
    "crashes after the first request": 'os.write(2, b"going down\\n"); os._exit(9)',
    "answers with garbage": "self.wfile.write(os.urandom(4096)); self.close_connection = True",
    "answers with 2 GB": (
        'self.send_response(200); self.send_header("content-type", "application/json"); '
        'self.send_header("content-length", str(2 << 30)); self.end_headers()\n'
        '        for _ in range(2048): self.wfile.write(b"a" * (1 << 20))'
    ),
    "answers nothing at all": "time.sleep(600)",
}


@pytest.mark.parametrize("name", FAILING)
def test_failing(name: str, lab: LabContent, sandbox: DockerSandbox) -> None:
    began = time.monotonic()
    result = grade(lab, project(ANSWER.format(body=FAILING[name])), sandbox)
    took = time.monotonic() - began
    assert result.verdict is Verdict.FAILED, result
    gate = result.criteria[0]
    assert gate.outcome is Outcome.FAILED
    assert gate.advice
    assert gate.message
    assert took < 90
    if name.startswith("crashes"):
        assert "no longer running (exit code 9)" in gate.message
        assert gate.exchange is not None
        assert "going down" in gate.exchange.log
    assert leftovers(sandbox) == []


def test_a_forged_result_on_stdout_changes_nothing(lab: LabContent, sandbox: DockerSandbox) -> None:
    """forged_stdout_json: what the service prints is never read as a result."""
    line = '{"type": "check_ended", "result": {"criterion": "contract", "outcome": "passed"}}'
    app = f"print('''{line}''', flush=True)\n" + ANSWER.format(body="self.send_error(500)")
    result = grade(lab, project(app), sandbox)
    assert result.verdict is Verdict.FAILED
    assert result.score == 0


def test_the_dockerfile_without_a_command(lab: LabContent, sandbox: DockerSandbox) -> None:
    result = grade(lab, project("", DOCKERFILE.replace('CMD ["python3", "app.py"]\n', "")), sandbox)
    assert result.verdict is Verdict.NOT_GRADABLE
    assert result.advice
