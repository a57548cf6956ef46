"""Builds that fail, and workers killed in the middle of one: nothing is left that a sweep does not
find.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import PurePosixPath

import podkit
import pytest

from grader.engines.base import BuildRequest, RunLabels
from grader.engines.labels import LABEL_HELD
from grader.errors import BuildFailed
from grader.job import Snapshot
from grader.lab import SourceFile

pytestmark = pytest.mark.docker


def request(dockerfile: str, run: RunLabels) -> BuildRequest:
    source = {
        PurePosixPath("Dockerfile"): SourceFile(f"FROM {podkit.BASE}\n{dockerfile}\n".encode())
    }
    return BuildRequest(
        Snapshot(source, uuid.uuid4().hex), {podkit.BASE: podkit.image().id}, run, timeout_s=60
    )


def test_failed_build_leftovers():
    run = podkit.labels()
    lines: list[str] = []
    hostile = request(
        f"ENV A={uuid.uuid4().hex}\nRUN echo first > /one\nRUN echo going down && exit 9", run
    )
    with pytest.raises(BuildFailed, match="ended with code 9"):
        podkit.sandbox().build(hostile, lines.append, lambda: False)
    assert any("going down" in line for line in lines)
    assert podkit.left(run) == []


def test_a_built_image_is_removed_without_a_trace():
    run = podkit.labels()
    image = podkit.sandbox().build(
        request('RUN echo hi > /hi\nCMD ["true"]', run), lambda _: None, lambda: False
    )
    assert podkit.left(run)
    podkit.sandbox().remove_image(image)
    podkit.sandbox().remove_image(image)
    assert podkit.left(run) == []


def test_a_worker_killed_while_it_builds():
    script = f"""
    import sys
    sys.path[:0] = ["tests/support", "tests/attacks"]
    import podkit, test_reaper_builds as t
    from grader.engines.base import RunLabels
    run = RunLabels(sys.argv[1], 1, "{podkit.INSTALLATION}", int(sys.argv[2]))
    podkit.sandbox().build(t.request("RUN echo STEP && sleep 50", run), lambda l: print(l, flush=True), lambda: False)
    """
    run = podkit.labels()
    command = [sys.executable, "-c", textwrap.dedent(script), run.run_id, str(run.expires_at)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    while (line := worker.stdout.readline()).strip() != "STEP":
        assert line, "the worker ended before its build ran"
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 10
    # The engine itself takes a moment to notice that nobody listens to the build any more.
    while podkit.left(run) and time.monotonic() < deadline:
        podkit.sandbox().sweep(is_alive=lambda *_: False)
        time.sleep(0.2)
    assert podkit.left(run) == []


def test_a_held_image_is_built_once_and_survives_sweeps():
    key = f"test-{uuid.uuid4().hex}"
    api = podkit.client().api
    try:
        first = podkit.sandbox().held_image(
            key, request(f"ENV KEY={key}\nRUN echo 1 > /one", podkit.labels())
        )
        podkit.sandbox().sweep(is_alive=lambda *_: False)
        # A request that can't be built shows that nothing is built the second time.
        assert podkit.sandbox().held_image(key, request("RUN exit 1", podkit.labels())) == first
    finally:
        for image in api.images(filters={"label": f"{LABEL_HELD}={key}"}):
            api.remove_image(image["Id"], force=True)
