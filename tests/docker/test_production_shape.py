"""The production shape without compose:

PostgreSQL, Redis, migrations, one real worker, one run graded once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from production import Production, compose, postgres, redis, wait_until
from site_up import ROOT
from tiny import tiny_lab

from grader.engines.docker.sandbox import DockerSandbox

pytestmark = pytest.mark.docker
UNCONFINED = {"privileged", "pid", "ipc", "userns_mode", "devices", "cap_add", "network_mode"}

SUBMIT = """
import sys, django; django.setup()
from pathlib import Path
from accounts.models import User
from grader.job import Snapshot
from grader.lab import load_lab, submission_files, tree_digest
from labs.models import Lab
from submissions import intake, leases
files = submission_files(load_lab(Path(sys.argv[1])), "reference")
user = User.objects.create_user("ada", "ada@example.org", "a-long-enough-word-9")
print(intake.accept(user, Lab.objects.get(slug="tiny").current, Snapshot(files, tree_digest(files))).pk)
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
BREAK = """
import redis, django; django.setup()
from django.conf import settings
broken = [b"", b"null", b"{", b"{}", b'{"properties": {"delivery_info": {}}, "body": "W10="}', b"\\xff"]
redis.Redis.from_url(settings.SEATRIAL_BROKER_URL).rpush("celery", *broken)
"""
CLAIM = """
import django; django.setup()
from submissions import intake, leases
run = leases.claim("test")
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
    with (
        ThreadPoolExecutor(1) as pool,
        postgres(sandbox.client) as database,
        redis(content) as broker,
    ):
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
    site.step(BREAK)  # and before them what nobody can read

    with site.worker() as log:
        wait_until(lambda: look(site)["state"] == "finished", log.read_text, 90)
        done = look(site)
    assert (done["verdict"], done["tries"], done["fence"]) == ("passed", 1, 1), done
    assert done["checks"] == done["rubric"]
    assert done["phases"] == ["build", "deploy", "ready", "grade", "teardown"]
    assert log.read_text().count("can't be read and is set aside") == 6
    assert "Traceback" not in log.read_text()
    assert "Unrecoverable" not in log.read_text()
    assert site.step(CLAIM).splitlines()[-1] == "none"


def test_only_the_worker_sees_the_engine() -> None:
    services = compose()["services"]
    for name, service in services.items():
        text = json.dumps(service)
        near = "docker.sock" in text or "DOCKER_" in text
        assert near == (name == "worker"), f"{name} has something of the engine"
        assert not {
            "privileged",
            "pid",
            "ipc",
            "userns_mode",
            "devices",
            "cap_add",
            "network_mode",
        } & set(service), name
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"web"}, "database and queue are for the site alone"


def test_the_site_starts_after_migrations_without_rights() -> None:
    services = compose()["services"]
    for name in ("web", "worker"):
        service = services[name]
        assert service["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["environment"]["SEATRIAL_PRODUCTION"] == "1", name
        assert "home:/var/lib/seatrial" in service["volumes"], "blobs are shared by web and worker"
    last_user = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert last_user == "10002:10002"


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "SEATRIAL_SECRET_KEY", "SEATRIAL_BASE_URL", "DOCKER_GID"):
        uses = re.findall(rf"\$\{{{name}(.{{2}})", text)
        assert uses, name
        assert set(uses) == {":?"}, f"{name} must stop the start when it is unset or empty"
        assert f"\n{name}=\n" in (ROOT / ".env.example").read_text(), (
            f"{name} is for the operator to fill in"
        )
    assert ".env" in (ROOT / ".dockerignore").read_text().splitlines(), (
        "secrets must not get into the image"
    )
