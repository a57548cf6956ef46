"""What a killed worker leaves behind is found by its labels and removed; what lives or is held
stays.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import textwrap
import time

import podkit
import pytest

from grader.engines.base import RunLabels
from grader.engines.docker.sandbox import DockerSandbox
from grader.engines.labels import LABEL_HELD, as_labels

pytestmark = pytest.mark.docker


def abandoned(run: RunLabels):
    """A pod with everything that a pod can have, and nobody to destroy it."""
    pod = podkit.sandbox().open_pod(run, ("app",))
    pod.start(podkit.party("import time; time.sleep(600)", data_mb=4))
    pod.start(podkit.party("import sys; sys.stdin.read()", "probe", role="probe", interactive=True))
    return pod


def built(labels: dict[str, str], tag: str | None = None) -> str:
    """An image of two stages with ``labels`` in each stage, as a contained build writes them."""
    label = "LABEL " + " ".join(f'"{key}"="{value}"' for key, value in labels.items())
    base = podkit.BASE
    first = f"FROM {base} AS one\n{label}\nENV A=1\n"
    text = f"{first}FROM {base}\n{label}\nCOPY --from=one /etc/hostname /copied\n".encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    stream.seek(0)
    image = ""
    for message in podkit.client().api.build(
        fileobj=stream, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True
    ):
        assert "error" not in message, message
        image = message.get("aux", {}).get("ID", image)
    return image


def sweep(*alive: tuple[str, int]) -> int:
    return podkit.sandbox().sweep(is_alive=lambda run_id, fence: (run_id, fence) in alive)


def test_a_dead_run_is_removed_and_a_living_one_stays():
    dead, living = podkit.labels(), podkit.labels()
    abandoned(dead)
    kept = abandoned(living)
    image = built(as_labels(dead), f"seatrial-test/{dead.run_id}")
    try:
        assert image
        # pause, app, probe, keeper, volume, and the images of both stages
        assert len(podkit.left(dead)) >= 7
        removed = sweep((living.run_id, living.fence))
        assert removed >= 6
        assert podkit.left(dead) == []
        assert kept.state("app").running
        assert len(podkit.left(living)) == 5
    finally:
        kept.destroy()
    assert podkit.left(living) == []


def test_an_older_try_of_a_living_run_is_removed():
    first = podkit.labels()
    second = podkit.labels(run_id=first.run_id, fence=2)
    abandoned(first)
    with podkit.pod("app", run=second) as kept:
        kept.start(podkit.party("import time; time.sleep(600)"))
        assert sweep((second.run_id, 2)) == 5
        assert kept.state("app").running
        assert len(podkit.left(second)) == 2


def test_another_installation_is_left_alone_until_it_expires():
    other = podkit.labels(installation="somebody-else")
    with podkit.pod("app", run=other):
        sweep()
        assert len(podkit.left(other)) == 1
    expired = podkit.labels(installation="somebody-else", expires_at=int(time.time()) - 1)
    podkit.sandbox().open_pod(expired, ("app",))
    # Even without an installation of its own a sandbox removes what has expired, and even if it is
    # said to live.
    assert DockerSandbox(podkit.client()).sweep(is_alive=lambda _run, _fence: True) >= 1
    assert podkit.left(expired) == []


def test_held_images_and_our_own_stay():
    run = podkit.labels(expires_at=1)
    image = built({**as_labels(run), LABEL_HELD: "a-baseline"}, f"seatrial/held:{run.run_id[:12]}")
    unfinished = built(
        {**as_labels(run), LABEL_HELD: "a-baseline", "build": "died before it was tagged"}
    )
    try:
        sweep()
        assert (
            podkit.client().images.list(filters={"label": "build=died before it was tagged"}) == []
        )
        assert unfinished != image
        assert podkit.client().images.get(image).id == image
        assert podkit.sandbox().image(podkit.BASE).id == podkit.image().id
    finally:
        podkit.remove_images(f"{LABEL_HELD}=a-baseline")
    assert podkit.client().api.images(all=True, filters={"label": f"{LABEL_HELD}=a-baseline"}) == []


def test_kill9_each_phase():
    """A worker killed with -9 at any point leaves nothing that a sweep does not find."""
    script = """
    import os, signal, sys, time
    sys.path.insert(0, "tests/support")
    import podkit
    from grader.engines.docker.pod import DockerPod
    from grader.engines.base import RunLabels
    phase, run_id = sys.argv[1:]
    run = RunLabels(run_id, 1, "INSTALLATION", int(time.time()) + 600)
    api = podkit.client().api
    def die_at(name):
        real = getattr(api, name)
        def wrapped(*args, **kwargs):
            said = real(*args, **kwargs)
            if phase == name: os.kill(os.getpid(), signal.SIGKILL)
            return said
        setattr(api, name, wrapped)
    for name in ("create_volume", "attach_socket", "remove_container"): die_at(name)
    pod = podkit.sandbox().open_pod(run, ("app",))
    if phase == "opened": os.kill(os.getpid(), signal.SIGKILL)
    pod.start(podkit.party("import time; time.sleep(600)", data_mb=4))
    pod.start(podkit.party("import sys; sys.stdin.read()", "probe", role="probe", interactive=True))
    if phase == "running": os.kill(os.getpid(), signal.SIGKILL)
    pod.destroy()
    """
    code = textwrap.dedent(script).replace("INSTALLATION", podkit.INSTALLATION)
    for phase in ("opened", "create_volume", "attach_socket", "running", "remove_container"):
        run = podkit.labels()
        ended = subprocess.run(
            [sys.executable, "-c", code, phase, run.run_id], timeout=60, check=False
        )
        assert ended.returncode == -9, phase
        assert podkit.left(run), f"the worker was killed too late at {phase}"
        sweep()
        assert podkit.left(run) == [], phase
