"""Every page of a large installation, as a ratio to a bare view of the same server, over HTTP.

100,000 runs of 2,000 learners, made by bulk inserts; one learner has 1,000 runs of one lab. SQLite
always; PostgreSQL too when its programs (``initdb``, ``pg_ctl``) are on the path, as a cluster of
its own in a temporary folder. Each database is measured in a process of its own, because Django
opens it at start.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 6.0
WITHIN_TEACH = 12.0


def run(report: Callable[[str], None]) -> dict[str, Any]:
    """Measure both databases; return the rows for the table and all that was measured."""
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-pages-") as folder:
        base = Path(folder)
        report("SQLite: 100,000 runs are made, then every page is opened")
        measured["SQLite"] = _measure(base / "sqlite", "")
        with _postgres(base) as address:
            if address:
                report("PostgreSQL: the same")
                measured["PostgreSQL"] = _measure(base / "postgres", address)
            else:
                report("PostgreSQL is left out: initdb and pg_ctl are not on the path")
    figures = [
        _figure(database, page, ratio)
        for database, pages in measured.items()
        for page, ratio in pages.items()
    ]
    return {"figures": figures, "measured": measured}


def _figure(database: str, page: str, ratio: float) -> dict[str, Any]:
    within = WITHIN_TEACH if page.startswith("teach") else WITHIN
    return {
        "figure": f"{database}, {page}",
        "asked": f"at most {within:g} × a bare view",
        "seen": f"{ratio:.1f} ×",
        "holds": ratio <= within,
    }


def _measure(home: Path, database: str) -> dict[str, float]:
    home.mkdir()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEATRIAL_")}
    env = {**clean, "SEATRIAL_HOME": str(home), "SEATRIAL_LOG_LEVEL": "ERROR"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    env["DJANGO_SETTINGS_MODULE"] = "tests.bench.pages_settings"
    env.pop("DATABASE_URL", None)
    if database:
        env["DATABASE_URL"] = database
    command = [sys.executable, "-m", "tests.bench.pages_measured"]
    done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    ratios: dict[str, float] = json.loads(done.stdout)
    return ratios


@contextlib.contextmanager
def _postgres(base: Path) -> Iterator[str]:
    """A cluster of its own behind a socket in ``base``; its address, or '' where there is no
    PostgreSQL.
    """
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        yield ""
        return
    data, socket = base / "pgdata", base / "pgsocket"
    user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL does not run as root
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        base.chmod(0o755)
    for folder in (data, socket):
        folder.mkdir()
        if user:
            os.chown(folder, 65534, 65534)

    def do(*command: str) -> None:
        subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    do("initdb", "-D", str(data), "-U", "seatrial", "-A", "trust", "-N")
    options = f"-c listen_addresses='' -k {socket}"
    start = ["pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", options]
    do(*start, "start")
    try:
        yield f"postgres://seatrial@/postgres?host={socket}"
    finally:
        do("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
