"""The parts of the production shape for tests: a real PostgreSQL, a real Redis, and a site that
uses both.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from site_up import ROOT, free_port

POSTGRES_IMAGE = "seatrial/postgres:1"
START_SECONDS = 30.0
REDIS_MISSING = (
    "The production shape is tested with a real Redis, and redis-server is not installed. "
    "On Debian or Ubuntu run 'apt-get install redis-server' as root, then run the test again."
)


def compose() -> dict[str, Any]:
    """compose.yaml as data, with its merges done and its variables as they are written."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


@contextmanager
def postgres(client: Any) -> Iterator[str]:
    """A PostgreSQL in a container of its own, published on a loopback port of this host.

    ``client`` is the engine's client; yields the URL for DATABASE_URL. The container is removed at
    the end.
    """
    port, password = free_port(), uuid.uuid4().hex
    container = client.containers.run(
        POSTGRES_IMAGE,
        detach=True,
        environment={
            "POSTGRES_USER": "site",
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": "site",
            "PORT": "5432",
        },
        ports={"5432/tcp": ("127.0.0.1", port)},
    )
    url = f"postgres://site:{password}@127.0.0.1:{port}/site"
    try:
        wait_until(
            lambda: _database_answers(url), lambda: container.logs(tail=20).decode(errors="replace")
        )
        yield url
    finally:
        container.remove(force=True, v=True)


def _database_answers(url: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis without persistence on a loopback port of this host; yields the URL for
    SEATRIAL_BROKER_URL.
    """
    server = _redis_server()
    port = free_port()
    command = [
        server,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    log = folder / "redis.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--dir", str(folder)], stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: _redis_answers(port), log.read_text)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop(process)


def _redis_server() -> str:
    """The path of redis-server; installs it where that is allowed.

    Fails with what to do otherwise.
    """
    if not shutil.which("redis-server") and shutil.which("apt-get") and os.geteuid() == 0:
        # A package's start script must not start a second server on the usual port.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", "redis-server"]
        for command in (["apt-get", "-q", "update"], install):
            subprocess.run(command, env=environment, check=False, capture_output=True, timeout=300)
    found = shutil.which("redis-server")
    assert found, REDIS_MISSING
    return found


def _redis_answers(port: int) -> bool:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=2)) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def wait_until(
    done: Callable[[], bool], why: Callable[[], str], seconds: float = START_SECONDS
) -> None:
    """Until ``done()``; fails with the text of ``why()`` when that takes longer than
    ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not ready within {seconds:g} s:\n{why()}"
        time.sleep(0.1)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process that we started: politely first."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


class Production:
    """A site in production mode: its commands and its worker are processes of their own, as in
    compose.yaml.
    """

    def __init__(self, folder: Path, database: str, broker: str, content: Path) -> None:
        self.folder = folder
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SEATRIAL_", "DJANGO_"))
        }
        self.env = {
            **clean,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database,
            "SEATRIAL_BROKER_URL": broker,
            "SEATRIAL_PRODUCTION": "1",
            "SEATRIAL_SECRET_KEY": uuid.uuid4().hex + "-" + uuid.uuid4().hex,
            "SEATRIAL_BASE_URL": "http://localhost",
            "SEATRIAL_HOME": str(folder / "home"),
            "SEATRIAL_CONTENT": str(content),
            "SEATRIAL_PUBLISH": "all",
        }

    def manage(self, *arguments: str) -> str:
        """Run a management command; returns its output and fails with it when the command does."""
        return self._run([sys.executable, str(ROOT / "manage.py"), *arguments])

    def step(self, program: str, *arguments: str) -> str:
        """Run a Python program with the site's settings; returns what it printed."""
        return self._run([sys.executable, "-c", program, *arguments])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command[1:3]} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    @contextmanager
    def worker(self) -> Iterator[Path]:
        """One Celery worker with the command of compose.yaml; yields its log file."""
        log = self.folder / "worker.log"
        command = [sys.executable, "-m", *compose()["services"]["worker"]["command"]]
        with log.open("w") as out:
            process = subprocess.Popen(
                command, env=self.env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        try:
            yield log
        finally:
            stop(process)
