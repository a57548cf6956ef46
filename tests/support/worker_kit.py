"""A site without a web process: each step of a run is a process of its own, as in life."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from grader.engines.docker.sandbox import DockerSandbox

# Each step is a process of its own, as in life: killing one leaves nothing of it in memory.
BEGIN = """
import sys, django; django.setup()
from pathlib import Path
from django.core.management import call_command
call_command("migrate", verbosity=0)
from submissions import bell; bell.ring = lambda run_id: None
from accounts.models import User
from grader.job import Snapshot
from grader.lab import load_lab, submission_files, tree_digest
from labs.models import Lab
from labs.sync import publish
from submissions import intake
content = load_lab(Path(sys.argv[1]))
publish(content)
files = submission_files(content, "reference")
user = User.objects.create_user("ada", "ada@example.org", "a-long-enough-word-9")
print(intake.accept(user, Lab.objects.get().current, Snapshot(files, tree_digest(files))).pk)
"""
WORK = """
import django; django.setup()
from submissions import bell, tasks; bell.ring = lambda run_id: None
tasks.run_grading(0)
"""
EXPIRE = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from submissions.models import GradingRun
GradingRun.objects.filter(state="running").update(lease_until=timezone.now() - timedelta(seconds=1))
"""
SWEEP = """
import django; django.setup()
from submissions import bell, tasks; bell.ring = lambda run_id: None
tasks.sweep()
"""
LOOK = """
import django, json; django.setup()
from submissions.models import GradingRun
from submissions.tasks import installation
run = GradingRun.objects.get()
print(json.dumps({
    "state": run.state, "verdict": run.verdict, "tries": run.tries, "fence": run.fence, "reason": run.reason,
    "checks": [r.criterion for r in run.check_results.all()],
    "rubric": [c["id"] for c in run.lab_version.spec["rubric"]["criteria"]],
    "phases": [e.payload["phase"] for e in run.events.all() if e.payload["type"] == "phase_started"],
    "seqs": [e.seq for e in run.events.all()], "installation": installation(),
}))
"""


class Site:
    """A site with its own home and database."""

    def __init__(self, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.env = {
            **os.environ,
            "SEATRIAL_HOME": str(home),
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SEATRIAL_LOG_LEVEL": "WARNING",
        }

    def start(self, step: str, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", step, *args]
        return subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, step: str, *args: str) -> str:
        out, err = self.start(step, *args).communicate(timeout=240)
        assert not err.count("Traceback"), err
        return out.strip()

    def phases(self) -> set[str]:
        with closing(
            sqlite3.connect(f"file:{self.home}/seatrial.sqlite3?mode=ro", uri=True, timeout=10)
        ) as database:
            rows = database.execute("SELECT payload FROM submissions_runevent").fetchall()
        return {json.loads(row[0]).get("phase", "") for row in rows}

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(LOOK).splitlines()[-1])
        return found


def leftovers(sandbox: DockerSandbox, installation: str) -> list[str]:
    """Containers and images of this site that the engine still has."""
    wanted = {"label": f"seatrial.installation={installation}"}
    containers = sandbox.client.containers.list(all=True, ignore_removed=True, filters=wanted)
    images = sandbox.client.images.list(all=True, filters=wanted)
    held = [i for i in images if "seatrial.held" not in (i.labels or {})]
    return [*(c.name or "?" for c in containers), *(str(i.id) for i in held)]


def wait_for_phase(site: Site, worker: subprocess.Popen[str], phase: str) -> None:
    """Looks straight into the database: a process of its own would be slower than the phases."""
    deadline = time.monotonic() + 120
    while phase not in site.phases():
        assert worker.poll() is None, worker.communicate()
        assert time.monotonic() < deadline, site.look()
        time.sleep(0.02)
