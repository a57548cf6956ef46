"""A worker killed with -9 in the middle of a run: the run is graded once by the next one, and
nothing stays behind.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tiny import tiny_lab
from worker_kit import BEGIN, EXPIRE, SWEEP, WORK, Site, leftovers, wait_for_phase

from grader.engines.docker.sandbox import DockerSandbox

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("phase", ["build", "ready"])
def test_a_killed_worker_costs_one_try_and_leaves_nothing(
    sandbox: DockerSandbox, tmp_path: Path, phase: str
) -> None:
    lab = tiny_lab(tmp_path)
    site = Site(tmp_path / "home")
    site.run(BEGIN, str(tmp_path / "labs" / lab.spec.id))
    worker = site.start(WORK)
    wait_for_phase(site, worker, phase)
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=30)

    broken = site.look()
    assert (broken["state"], broken["tries"], broken["fence"]) == ("running", 1, 1)
    site.run(SWEEP)
    assert site.look()["state"] == "running", (
        "the lease has not run out: nobody may take the run yet"
    )

    site.run(EXPIRE)
    site.run(SWEEP)
    waiting = site.look()
    assert (waiting["state"], waiting["seqs"]) == ("queued", [])
    assert leftovers(sandbox, waiting["installation"]) == []

    site.run(WORK)
    done = site.look()
    assert (done["state"], done["verdict"], done["tries"]) == ("finished", "passed", 2), done
    assert done["checks"] == done["rubric"]
    assert done["phases"] == ["build", "deploy", "ready", "grade", "teardown"]
    assert done["seqs"][0] > 3_000_000
    assert leftovers(sandbox, done["installation"]) == []
    site.run(WORK)
    assert site.look() == done
