"""The production shape without compose: PostgreSQL, Redis, migrations, one real worker, one run graded once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from production import Production, postgres, redis, wait_until
from tiny import tiny_lab

from grader.sandbox.docker import DockerSandbox

pytestmark = pytest.mark.docker

SUBMIT = """
import sys, django; django.setup()
from pathlib import Path
from accounts.models import User
from grader.job import Snapshot
from grader.spec import load_lab
from grader.spec.load import tree_digest
from labs.models import Lab
from submissions import services
files = load_lab(Path(sys.argv[1])).under("submissions/reference")
user = User.objects.create_user("ada", "ada@example.org", "a-long-enough-word-9")
print(services.accept(user, Lab.objects.get(slug="tiny").current, Snapshot(files, tree_digest(files))).pk)
"""
LOOK = """
import django, json; django.setup()
from django.db import connection
from submissions.models import GradingRun
run = GradingRun.objects.get()
print(json.dumps({
    "database": connection.vendor, "state": run.state, "verdict": run.verdict, "reason": run.reason,
    "tries": run.tries, "fence": run.fence,
    "checks": [r.criterion for r in run.check_results.all()],
    "rubric": [c["id"] for c in run.lab_version.spec["rubric"]["criteria"]],
    "phases": [e.payload["phase"] for e in run.events.all() if e.payload["type"] == "phase_started"],
}))
"""
RING_AGAIN = """
import sys, django; django.setup()
from submissions import bell
for _ in range(3): bell.ring(int(sys.argv[1]))
"""
CLAIM = """
import django; django.setup()
from submissions import services
run = services.claim("test")
print(run.pk if run else "none")
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content folder with the tiny lab alone."""
    tiny_lab(tmp_path)
    return tmp_path


@pytest.fixture
def site(sandbox: DockerSandbox, content: Path) -> Iterator[Production]:
    """A migrated site on PostgreSQL and Redis with the tiny lab published, and no worker yet."""
    with ThreadPoolExecutor(1) as pool, postgres(sandbox.client) as database, redis(content) as broker:
        found = Production(content, database, broker, content)
        check = pool.submit(found.manage, "makemigrations", "--check", "--dry-run")
        found.manage("migrate", "--noinput")
        found.manage("lab_sync")
        assert "No changes" in check.result()
        yield found


def look(site: Production) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.step(LOOK).splitlines()[-1])
    return found


def test_a_run_is_graded_once_by_the_worker(site: Production, content: Path) -> None:
    run = site.step(SUBMIT, str(content / "labs" / "tiny")).splitlines()[-1]
    waiting = look(site)
    assert (waiting["database"], waiting["state"]) == ("postgresql", "queued")
    site.step(RING_AGAIN, run)  # four bells for one run: the database decides, not the queue

    with site.worker() as log:
        wait_until(lambda: look(site)["state"] == "finished", log.read_text, 90)
        done = look(site)
    assert (done["verdict"], done["tries"], done["fence"]) == ("passed", 1, 1), done
    assert done["checks"] == done["rubric"]
    assert done["phases"] == ["build", "deploy", "ready", "grade", "teardown"]
    assert "Traceback" not in log.read_text()
    assert site.step(CLAIM).splitlines()[-1] == "none"
