"""``bench overhead``: our whole run, with no checks, beside a plain script that makes the same
engine calls.

Both start a pause container, a service in its namespace and a probe that asks for the first 200,
and take all of it down again. The plain script is what somebody would write with the engine's
client in an afternoon: the same image, the same settings, no events, no labels to sweep, no
protocol. They take turns, so that both see the same machine. The build is in neither: it is the
engine's own work. The image is built once and both use it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker

from grader import images
from grader.cli import skeleton
from grader.engines.base import BuildRequest, ImageRef, PartySpec
from grader.engines.docker.sandbox import DockerSandbox
from grader.engines.docker.settings import environment, party_host_config, pause_host_config
from grader.events import PhaseStarted, RunFinished
from grader.job import GradingJob, Snapshot
from grader.lab import LabContent, load_lab, submission_files, tree_digest
from grader.result import Verdict
from grader.runs import engine

ROUNDS = 21
WARM = 2
ASKED = 1.15
PORT = 8080
POLL = """
import time, urllib.request
while True:
    try:
        if urllib.request.urlopen("http://app:8080/readyz", timeout=5).status == 200:
            break
    except OSError:
        time.sleep(0.1)
print("ready", flush=True)
"""


class KeptImage(DockerSandbox):
    """The real sandbox, but the image of the first build serves every run: the bench times what
    comes after it.
    """

    kept: ImageRef | None = None

    def build(
        self, request: BuildRequest, on_line: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> ImageRef:
        if self.kept is None:
            self.kept = super().build(request, on_line, cancelled)
        return self.kept

    def remove_image(self, image: ImageRef) -> None:
        if image != self.kept:
            super().remove_image(image)


def ours(lab: LabContent, snapshot: Snapshot, sandbox: KeptImage, number: int) -> float:
    """Seconds of a whole run from the first container to the verdict."""
    job = GradingJob(
        lab,
        snapshot,
        "bench",
        run_id=f"bench-{number}-{time.time_ns():x}",
        only=frozenset({"nothing"}),
    )
    began = 0.0
    for event in engine.run(job, sandbox, installation="bench"):
        if isinstance(event, PhaseStarted) and event.phase == "deploy":
            began = time.perf_counter()
        if isinstance(event, RunFinished) and event.result.verdict in (
            Verdict.ERRORED,
            Verdict.NOT_GRADABLE,
        ):
            raise RuntimeError(f"{event.result.verdict}: {event.result.reason}")
    return time.perf_counter() - began


def plain(client: docker.DockerClient, image: str) -> float:
    """Seconds of the same engine calls in a row."""
    api: Any = client.api
    began = time.perf_counter()
    made: list[str] = []

    def start(
        image_name: str, config: dict[str, Any], command: list[str] | None, **more: Any
    ) -> str:
        made.append(api.create_container(image_name, command, host_config=config, **more)["Id"])
        api.start(made[-1])
        return made[-1]

    try:
        pause = start(
            "seatrial/base:1",
            pause_host_config(api, ["app"]),
            ["sleep", "infinity"],
            hostname="pod",
        )
        for party, command in (
            (PartySpec("app", "app", ImageRef(image), port=PORT), None),
            (
                PartySpec(
                    "probe",
                    "probe",
                    ImageRef("seatrial/probe:1"),
                    cpu=0.8,
                    memory_mb=1024,
                    pids=256,
                ),
                POLL,
            ),
        ):
            config = party_host_config(api, party, pause=pause, volumes=(), data=None, cpus=2)
            argv = ["python", "-c", command] if command else None
            container = start(
                party.image.id, config, argv, environment=environment(party), user="10001:10001"
            )
        for line in api.logs(container, stream=True, follow=True):
            if b"ready" in line:
                break
    finally:
        for container in reversed(made):
            api.remove_container(container, force=True, v=True)
    return time.perf_counter() - began


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians in seconds, the ratio of each pair, and whether the median ratio holds."""
    sandbox = KeptImage(installation="bench")
    images.ensure(sandbox.client, say)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "labs").mkdir()
        lab = load_lab(skeleton.create(Path(folder) / "labs", "tiny"))
    files = submission_files(lab, "reference")
    snapshot = Snapshot(files, tree_digest(files))
    pairs: list[tuple[float, float]] = []
    try:
        for number in range(WARM + ROUNDS):
            # Who goes first changes, so that neither always finds what the other left warm.
            mine = (
                ours(lab, snapshot, sandbox, number)
                if number % 2 == 0 or sandbox.kept is None
                else 0.0
            )
            assert sandbox.kept is not None
            theirs = plain(sandbox.client, sandbox.kept.id)
            mine = mine or ours(lab, snapshot, sandbox, number)
            if number >= WARM:
                pairs.append((mine, theirs))
                say(
                    f"round {len(pairs):>2}: ours {mine:.2f} s, plain {theirs:.2f} s, ratio "
                    f"{mine / theirs:.2f}"
                )
    finally:
        if sandbox.kept is not None:
            DockerSandbox.remove_image(sandbox, sandbox.kept)
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    ratio = statistics.median(ratios)
    return {
        "figures": [
            {
                "figure": "our whole run with no checks / plain docker-py script, median of pairs",
                "asked": f"at most {ASKED}",
                "seen": round(ratio, 3),
                "spread": [round(ratios[len(ratios) // 4], 3), round(ratios[-len(ratios) // 4], 3)],
                "holds": ratio <= ASKED,
            }
        ],
        "ours_s": statistics.median(m for m, _ in pairs),
        "plain_s": statistics.median(p for _, p in pairs),
        "rounds": len(pairs),
    }
