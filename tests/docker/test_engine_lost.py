"""The engine goes away in the middle of a run, as when its service is restarted: the run goes back
into the queue and is graded by the next worker.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from relay import Relay
from tiny import tiny_lab
from worker_kit import BEGIN, SWEEP, WORK, Site, leftovers, wait_for_phase

from grader.engines.docker.sandbox import DockerSandbox

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("phase", ["build", "grade"])
def test_a_run_outlives_its_engine(sandbox: DockerSandbox, tmp_path: Path, phase: str) -> None:
    lab, relay = tiny_lab(tmp_path), Relay()
    site = Site(tmp_path / "home")
    site.env["DOCKER_HOST"] = relay.url
    try:
        site.run(BEGIN, str(tmp_path / "labs" / lab.spec.id))
        worker = site.start(WORK)
        wait_for_phase(site, worker, phase)
        relay.cut()
        worker.communicate(timeout=120)
        waiting = site.look()
        assert (waiting["state"], waiting["verdict"]) == ("queued", ""), waiting

        relay = Relay(relay.port)
        site.run(SWEEP)
        site.run(WORK)
        done = site.look()
        assert (done["state"], done["verdict"]) == ("finished", "passed"), done
        assert done["checks"] == done["rubric"]
        site.run(SWEEP)
        assert leftovers(sandbox, done["installation"]) == []
    finally:
        relay.cut()
