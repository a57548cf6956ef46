"""The Prometheus process of this run, and its HTTP API behind a password."""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Any

from grader.sidecars.prometheus.kind import PrometheusConfig, server_config, server_flags

READY_S = 60.0
CALL_S = 5.0
MAX_ANSWER = 8 << 20
USER = "engine"
SALT_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Server:
    """One process. ``folder`` is writable and its own."""

    def __init__(self, config: PrometheusConfig, port: int, folder: Path) -> None:
        self._config, self._port, self._folder = config, port, folder
        self._password = secrets.token_hex(16)
        token = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready. Raises RuntimeError when it does not become so."""
        folder = self._folder
        folder.mkdir(mode=0o700, exist_ok=True)
        rules = str(folder / "rules*.json")
        self._write("prometheus.json", server_config(self._config, rules))
        self._write("web.json", {"basic_auth_users": {USER: bcrypt(self._password)}})
        self._process = subprocess.Popen(  # stdout goes where ours goes: to stderr, see Stdio.open
            ["prometheus", *server_flags(str(folder), self._port)],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GOMAXPROCS": "2", "GOGC": "50"},
        )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"prometheus ended with {self._process.returncode}")
            try:
                status, _ = self._get("/-/ready")
            except OSError:
                status = 0
            if status == 200:
                return
            time.sleep(0.05)
        raise RuntimeError(f"prometheus was not ready within {READY_S:g} s")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def load(self, groups: list[dict[str, Any]]) -> None:
        """Make these the rules in force. Raises ValueError when Prometheus does not take them."""
        before = self._reloaded_at()
        self._write("rules.json", {"groups": groups})
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + CALL_S
        while self._reloaded_at() == before:
            if time.monotonic() > deadline:
                raise ValueError("prometheus did not load the rules")
            time.sleep(0.02)

    def _reloaded_at(self) -> str:
        _, body = self._get("/metrics")
        name = b"prometheus_config_last_reload_success_timestamp_seconds "
        return next(
            (line[len(name) :].decode() for line in body.split(b"\n") if line.startswith(name)), ""
        )

    def api(self, path: str, **query: Any) -> Any:
        """``data`` of an answer of /api/v1. Raises ValueError with what Prometheus says."""
        target = f"/api/v1/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        try:
            _, body = self._get(target)
        except OSError as error:
            raise ValueError(f"prometheus does not answer: {error}") from error
        answer = json.loads(body)
        if answer.get("status") != "success":
            raise ValueError(str(answer.get("error"))[:500])
        return answer["data"]

    def _get(self, target: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=CALL_S)
        try:
            connection.request("GET", target, headers=self._headers)
            response = connection.getresponse()
            body = response.read(MAX_ANSWER + 1)
        finally:
            connection.close()
        if len(body) > MAX_ANSWER:
            raise ValueError(f"the answer is larger than {MAX_ANSWER} bytes")
        return response.status, body

    def _write(self, name: str, value: Any) -> None:
        path = self._folder / f".{name}"
        path.write_text(json.dumps(value), encoding="utf-8")
        path.chmod(0o600)
        path.replace(self._folder / name)


def bcrypt(password: str) -> str:
    """The hash of the C library's own ``crypt``, at the lowest cost: the password is random and
    lives for one run.
    """
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    salt = "".join(secrets.choice(SALT_LETTERS) for _ in range(22))
    made = library.crypt(password.encode(), f"$2b$04${salt}".encode())
    if not made or not made.startswith(b"$2b$"):
        raise RuntimeError("the C library has no bcrypt")
    return str(made.decode())
