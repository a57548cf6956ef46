"""The baseline shares the learner's pod: it is closed to the learner, and slowing it down gains
nothing.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
import yaml
from tiny import DOCKERFILE, grade, project, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.lab import LabContent, LabSpec, SourceFile
from grader.result import CheckResult, Outcome, Verdict

pytestmark = pytest.mark.docker

SERVICE = """
import hashlib, json, os, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = os.environ.get("BASELINE_KEY")
BLOCK = bytes(1 << 16)

def work(text):
    for _ in range(60):
        hashlib.sha256(BLOCK).digest()
    return text[::-1]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def give(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/metrics":
            return self.give(200, "text/plain; version=0.0.4", b"# TYPE up gauge\\nup 1\\n")
        self.give(200 if self.path in ("/healthz", "/readyz") else 404, "application/json", b'{"ok": true}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if CLOSED and KEY and self.headers.get("X-Baseline-Key") != KEY:
            return self.give(403, "application/json", b"{}")
        try:
            text = json.loads(body)["text"]
        except (ValueError, KeyError, TypeError):
            return self.give(422, "application/json", b'{"detail": "a text is missing"}')
        self.give(200, "application/json", json.dumps({"text": work(text)}).encode())

    def log_message(self, *_):
        pass
"""
SERVE = '\nThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()\n'
HONEST = "CLOSED = True\n" + SERVICE + SERVE
BORROWER = (
    "CLOSED = True\n"
    + SERVICE
    + """
def work(text):
    asked = urllib.request.Request("http://baseline:8090/reverse", json.dumps({"text": text}).encode())
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return json.load(answer)["text"]
"""
    + SERVE
)
BURNER = (
    "CLOSED = True\n"
    + SERVICE
    + """
import subprocess, sys
for _ in range(4):
    subprocess.Popen([sys.executable, "-c", "import os; os.nice(19)\\nwhile True: pass"])
"""
    + SERVE
)

FLOODER = (
    "CLOSED = True\n"
    + SERVICE
    + """
import socket, threading, time

def flood():
    while True:
        try:
            with socket.create_connection(("baseline", 8090)) as line:
                for _ in range(200):
                    line.sendall(b"POST /reverse HTTP/1.1\\r\\nHost: b\\r\\nContent-Length: 0\\r\\n\\r\\n")
                    line.recv(4096)
        except OSError:
            time.sleep(0.1)

for _ in range(4):
    threading.Thread(target=flood, daemon=True).start()
"""
    + SERVE
)


def lab(folder: Path, baseline: str = HONEST, threshold: float = 0.8) -> LabContent:
    """The tiny lab with a baseline that does the same work, and a rule that its twin can't keep."""
    made = tiny_lab(folder)
    spec = yaml.safe_load(made.files[PurePosixPath("lab.yaml")].data)
    spec["baseline"] = {
        "name": "baseline",
        "kind": "baseline",
        "port": 8090,
        "cpu": 1.0,
        "memory_mb": 256,
    }
    spec["limits"] = {"cpu": 1.0, "memory_mb": 256, "ready_s": 30, "run_s": 120}
    spec["rubric"]["criteria"][0]["weight"] = 30
    speed = {
        "cases_from": "cases.reverse",
        "threshold": threshold,
        "per_window": 8,
        "warm_s": 0.5,
        "budget_s": 12,
    }
    spec["rubric"]["criteria"] += [
        {
            "id": "speed",
            "title": "Speed",
            "rule": "faster than the baseline",
            "weight": 10,
            "checks": [{"check": "latency_ratio", "params": speed}],
        }
    ]
    files = dict(made.files)
    files[PurePosixPath("baseline/Dockerfile")] = SourceFile(DOCKERFILE.encode())
    files[PurePosixPath("baseline/app.py")] = SourceFile(baseline.encode())
    return LabContent(LabSpec.model_validate(spec), files, made.digest)


def speed(results: list[CheckResult]) -> CheckResult:
    return next(r for r in results if r.criterion == "speed")


def test_an_open_baseline_is_a_defect_of_the_lab(tmp_path: Path, sandbox: DockerSandbox) -> None:
    result = grade(
        lab(tmp_path, HONEST.replace("CLOSED = True", "CLOSED = False")), project(HONEST), sandbox
    )
    assert result.verdict is Verdict.ERRORED
    assert "X-Baseline-Key" in result.reason


def test_a_service_that_lets_the_baseline_work_fails(
    tmp_path: Path, sandbox: DockerSandbox
) -> None:
    result = grade(lab(tmp_path), project(BORROWER), sandbox)
    assert result.verdict is Verdict.FAILED
    assert result.criteria[0].outcome is Outcome.FAILED


def test_requests_without_the_key_are_seen_and_fail(tmp_path: Path, sandbox: DockerSandbox) -> None:
    """Each is refused and costs the baseline time all the same.

    The threshold is one that anybody keeps.
    """
    result = grade(lab(tmp_path, threshold=50.0), project(FLOODER), sandbox)
    found = speed(result.criteria)
    assert found.outcome is Outcome.FAILED, found.message
    assert "connections to the baseline" in found.message
    (tmp_path / "honest").mkdir()
    honest = grade(lab(tmp_path / "honest", threshold=50.0), project(HONEST), sandbox)
    assert speed(honest.criteria).outcome is Outcome.PASSED, honest


def test_burning_the_processor_gains_nothing(tmp_path: Path, sandbox: DockerSandbox) -> None:
    """Four spinning processes share the learner's own quota; the baseline has one of its own."""
    result = grade(lab(tmp_path), project(BURNER), sandbox)
    found = speed(result.criteria)
    assert found.outcome is not Outcome.PASSED, found.message
    assert found.measured is not None
    assert found.measured.value is not None
    assert found.measured.value > 0.9, found.message
