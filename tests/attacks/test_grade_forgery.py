"""A submission that writes its own verdict changes nothing: the probe, our ledgers and the engine
decide.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tiny import DOCKERFILE, grade, project, tiny_lab

from grader.engines.docker.sandbox import DockerSandbox
from grader.result import Outcome, RunResult, Verdict

pytestmark = pytest.mark.docker

SERVICE = """
import json, os, re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def give(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/metrics":
            return self.give(200, "text/plain; version=0.0.4", b"# TYPE up gauge\\nup 1\\n")
        self.give(200 if self.path in ("/healthz", "/readyz") else 404, "application/json", b'{"ok": true}')

    def do_POST(self):
        try:
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        except (ValueError, KeyError, TypeError):
            return self.give(422, "application/json", b'{"detail": "a text is missing"}')
        self.give(200, "application/json", json.dumps({"text": answer(text)}).encode())

    def log_message(self, *_):
        pass

def serve():
    ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
RESULT = (
    '{"criterion":"reverse","check":"functional","title":"x","gate":false,"outcome":"passed","points":60,'
    '"max_points":60,"message":"forged"}'
)
FORGER = (
    SERVICE
    + """
import socket, subprocess, sys, threading, time
HEADERS = {"X-Seatrial-Verdict": "passed", "X-Score": "100"}
LINES = ['{"type":"check_ended","result":RESULT}', '{"type":"check_finished","result":RESULT}', '{"type":"done"}',
         '{"type":"run_finished","result":{"verdict":"passed","score":100}}']
answer = lambda text: text[::-1].upper()

def flood():
    while True:
        for line in LINES:
            print(line, flush=True)
            print(line, file=sys.stderr, flush=True)
        time.sleep(0.05)

def files():
    for folder in ("/tmp", "/data", "/srv", "/results", "/opt/seatrial", "/dev/shm", "/proc/1/fd"):
        for name in ("result.json", "results.json", "verdict.json", "0", "1"):
            try:
                with open(f"{folder}/{name}", "w") as file:
                    file.write('{"verdict": "passed", "score": 100}')
            except OSError:
                pass

def listening():
    for row in open("/proc/net/tcp").read().splitlines()[1:]:
        local, state = row.split()[1], row.split()[3]
        if state == "0A":
            address, port = local.split(":")
            yield ".".join(str(b) for b in reversed(bytes.fromhex(address))), int(port, 16)

def callbacks():
    while True:
        for address, port in list(listening()):
            for host in {address.replace("0.0.0.0", "127.0.0.1"), "127.0.0.2", "127.0.0.3"}:
                try:
                    with socket.create_connection((host, port), timeout=0.2) as line:
                        line.sendall(b"POST /results HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
                except OSError:
                    pass
        time.sleep(0.5)

files()
for work in (flood, callbacks):
    threading.Thread(target=work, daemon=True).start()
serve()
""".replace("RESULT", RESULT)
)
SHIM = (
    "import os, sys\nopen('/tmp/shimmed', 'w').write('1')\nprint('{\"type\":\"done\"}', "
    "flush=True)\n"
)
SHIMMED = DOCKERFILE.replace(
    "CMD",
    "COPY shim.sh /usr/local/bin/python\n"
    "COPY shim.sh /opt/seatrial/grader\n"
    "RUN python3 -c \"import site,shutil; shutil.copy('sitecustomize.py', "
    'site.getsitepackages()[0])"\n'
    "ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONPATH=/srv SEATRIAL_VERDICT=passed\nCMD",
)
HONEST = SERVICE + "\nHEADERS = {}\nanswer = lambda text: text[::-1]\nserve()\n"


def outcomes(result: RunResult) -> dict[str, Outcome]:
    return {r.criterion: r.outcome for r in result.criteria}


def test_the_service_without_forgery_passes(tmp_path: Path, sandbox: DockerSandbox) -> None:
    result = grade(tiny_lab(tmp_path), project(HONEST), sandbox)
    assert (result.verdict, result.score) == (Verdict.PASSED, 100), result


def test_forged_stdout_files_headers_and_callbacks(tmp_path: Path, sandbox: DockerSandbox) -> None:
    result = grade(tiny_lab(tmp_path), project(FORGER), sandbox)
    assert outcomes(result) == {"contract": Outcome.PASSED, "reverse": Outcome.FAILED}
    assert (result.verdict, result.score) == (Verdict.FAILED, 40)
    assert "forged" not in result.criteria[1].message


def test_sitecustomize_and_path_shims(tmp_path: Path, sandbox: DockerSandbox) -> None:
    shouting = HONEST.replace("text[::-1]", "text[::-1].upper()")
    shim = '#!/bin/sh\nprintf \'{"type":"done"}\\n\'\nexit 0\n'
    snapshot = project(shouting, SHIMMED, **{"sitecustomize.py": SHIM, "shim.sh": shim})
    result = grade(tiny_lab(tmp_path), snapshot, sandbox)
    assert outcomes(result) == {"contract": Outcome.PASSED, "reverse": Outcome.FAILED}


def test_nothing_of_one_run_is_there_in_the_next(tmp_path: Path, sandbox: DockerSandbox) -> None:
    remember = textwrap.dedent("""
        import glob
        HEADERS = {}
        PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/srv", "/data")
        seen = any(glob.glob(f"{place}/kept-answers") for place in PLACES)
        for place in PLACES:
            try:
                open(f"{place}/kept-answers", "w").write("all of them")
            except OSError:
                pass
        answer = lambda text: text[::-1] if seen else "not yet"
        serve()
        """)
    snapshot = project(SERVICE + remember)
    for _ in range(2):
        assert outcomes(grade(tiny_lab(tmp_path), snapshot, sandbox))["reverse"] is Outcome.FAILED
        (tmp_path / "labs" / "tiny").rename(tmp_path / f"labs-{_}")
