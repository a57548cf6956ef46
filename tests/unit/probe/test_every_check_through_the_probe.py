"""Every check of the table in a real probe process, beside services on this machine: what a check
asks of its Context, the real one has, and what it says crosses the line.

Containers are missing, so what a stop or a restart brings about is not judged here: that a check
comes to an outcome of its own is.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from probekit import graded, http, lab_of, outcomes, service

from grader.checks import TABLE
from grader.result import CheckResult

CASE = {"path": "/items/a", "json": {"n": 3}}
EVENTS = "".join(
    f"data: {json.dumps({'choices': [{'delta': {'content': f'w{n} '}}]})}\n\n" for n in range(20)
)
ALONE: dict[str, dict[str, Any]] = {
    "health": {},
    "contract": {"cases": [CASE]},
    "functional": {"cases": [{**CASE, "expect": {"/n": 3}}]},
    "restart_persistence": {"writes": [CASE], "reads": [CASE]},
    "graceful_stop": {"cases": [CASE], "delay_s": 0.1},
    "sigterm_under_load": {"cases": [CASE], "rate_per_s": 20, "calm_s": 0.3, "timeout_s": 2},
    "streaming": {"cases": [{"path": "/stream"}]},
    "peak_memory": {"at_most_mb": 100},
}
BESIDE: dict[str, dict[str, Any]] = {
    "latency_ratio": {
        "cases": [CASE],
        "threshold": 5,
        "rate_per_s": 40,
        "warm_s": 0.2,
        "budget_s": 3,
        "per_window": 2,
    },
    "throughput_ratio": {
        "cases": [CASE],
        "threshold": 0.2,
        "clients": 2,
        "slice_s": 0.1,
        "budget_s": 3,
    },
}
COPIES: dict[str, dict[str, Any]] = {
    "stateless": {"writes": [CASE], "reads": [CASE], "kill": False},
    "rolling_replacement": {
        "cases": [CASE],
        "rate_per_s": 20,
        "calm_s": 0.2,
        "settle_s": 0.1,
        "timeout_s": 2,
    },
}


def answer(path: str, body: bytes) -> bytes:
    if path == "/stream":
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        return (head + EVENTS + "data: [DONE]\n\n").encode()
    if path == "/metrics":
        text = http("# TYPE seen counter\nseen 1\n", "200 OK", "Connection: close")
        return text.replace(b"application/json", b"text/plain; version=0.0.4")
    said = json.loads(body or b"{}")
    return http(json.dumps({"id": "a", **said}), "200 OK", "Connection: close")


def results(folder: Path, checks: dict[str, dict[str, Any]], port: int, **more: Any) -> Any:
    criteria = [
        {"id": name.replace("_", "-"), "checks": [{"check": name, "params": params}]}
        for name, params in checks.items()
    ]
    return outcomes(graded(lab_of(folder, port, criteria, **more)))


def judged(found: dict[str, CheckResult], checks: dict[str, dict[str, Any]]) -> None:
    assert set(found) == {name.replace("_", "-") for name in checks}
    for result in found.values():
        assert not result.our_fault, (result.criterion, result.message)
        assert result.outcome.value in ("passed", "failed", "inconclusive")
        assert result.message
        assert result.measured is not None
        assert result.rule is not None


def test_checks_of_one_service(tmp_path: Path) -> None:
    with service(answer) as port:
        found = results(tmp_path, ALONE, port)
    judged(found, ALONE)
    passed = {name for name, result in found.items() if result.outcome.value == "passed"}
    assert {"health", "functional", "restart-persistence", "peak-memory"} <= passed, {
        name: result.message for name, result in found.items()
    }


def test_checks_beside_a_baseline(tmp_path: Path) -> None:
    with service(answer) as port, service(answer, closed=True) as other:
        found = results(
            tmp_path,
            BESIDE,
            port,
            files={"baseline/Dockerfile": "FROM seatrial/runtime:1\n"},
            baseline={"name": "plain", "kind": "baseline", "port": other},
        )
    judged(found, BESIDE)


def two_ports() -> int:
    """The first of two free ports side by side, below those that the system hands out."""
    for port in range(21_000 + os.getpid() % 5000, 32_000, 2):
        with ExitStack() as stack, suppress(OSError):
            for each in (port, port + 1):
                stack.enter_context(socket.create_server(("127.0.0.1", each)))
            return port
    raise AssertionError("no two ports side by side are free")


def test_checks_of_copies(tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(service(answer))
        first = two_ports()
        stack.enter_context(service(answer, first))
        stack.enter_context(service(answer, first + 1))
        found = results(tmp_path, COPIES, port, replicas={"count": 2, "first_port": first})
    judged(found, COPIES)


@pytest.mark.parametrize("check", TABLE)
def test_every_check_of_the_table_is_among_them(check: str) -> None:
    assert check in {**ALONE, **BESIDE, **COPIES}
