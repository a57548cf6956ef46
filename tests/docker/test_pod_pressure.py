"""A full disk, less memory than before, and a clock that the lab controls, as a service sees
them.
"""

from __future__ import annotations

import time

import podkit
import pytest
from sidecarkit import command, greet, run_client, sidecar_party

from grader.engines.docker.pod import DockerPod
from grader.engines.labels import LABEL_RUN
from grader.errors import SandboxError
from grader.lab import Sidecar

pytestmark = pytest.mark.docker

WRITER = """
import os, pathlib, time
while True:
    try:
        with open("/data/next", "wb") as file:
            file.write(b"x" * 100_000)
            file.flush()
            os.fsync(file.fileno())
        os.replace("/data/next", "/data/file")
        print("WROTE", sorted(os.listdir("/data")), flush=True)
    except OSError as error:
        pathlib.Path("/data/next").unlink(missing_ok=True)
        print("ERROR", error.errno, sorted(os.listdir("/data")), flush=True)
    time.sleep(0.1)
"""

HUNGRY = """
import time
kept = bytearray(40 << 20)
for i in range(0, len(kept), 4096):
    kept[i] = 1
print("HOLDS", flush=True)
time.sleep(0.5)
while True:
    try:
        more = bytearray(60 << 20)
        for i in range(0, len(more), 4096):
            more[i] = 1
        del more
        print("MORE", flush=True)
    except MemoryError:
        print("LESS", flush=True)
    time.sleep(0.2)
"""


def lines(pod: DockerPod, word: str) -> int:
    return sum(line.startswith(word) for line in pod.logs("app").splitlines())


def wait_for_more(pod: DockerPod, word: str) -> None:
    before, deadline = lines(pod, word), time.monotonic() + 15
    while lines(pod, word) <= before + 1:
        assert time.monotonic() < deadline, f"no further {word}: {pod.logs('app')[-500:]}"
        time.sleep(0.1)


def test_a_disk_is_full_for_a_while_and_what_fills_it_is_out_of_sight() -> None:
    with podkit.pod("app") as pod:
        pod.start(podkit.party(WRITER, data_mb=8))
        wait_for_more(pod, "WROTE")
        pod.fill_data("app")
        wait_for_more(pod, "ERROR 28")  # ENOSPC
        assert "'file']" in pod.logs("app").splitlines()[-1]
        assert ".filling" not in pod.logs("app").splitlines()[-1]
        pod.free_data("app")
        wait_for_more(pod, "WROTE")
        pod.free_data("app")  # nothing to do is fine
        pod.start(podkit.party("import time; time.sleep(30)", "other"))
        with pytest.raises(SandboxError, match="no /data"):
            pod.fill_data("other")


def test_memory_gets_scarce_and_comes_back() -> None:
    with podkit.pod("app") as pod:
        pod.start(podkit.party(HUNGRY, memory_mb=256))
        wait_for_more(pod, "MORE")
        assert pod.limit_memory("app", 200)
        wait_for_more(pod, "MORE")
        pod.limit_memory("app", 90)
        state = podkit.ended(pod, "app", 15)
        assert (state.exit_code, state.oom_killed) == (137, True)
        assert pod.limit_memory("app", 256)
        pod.restart("app")
        wait_for_more(pod, "MORE")


def test_a_limit_below_what_is_in_use_is_refused_or_ends_the_party() -> None:
    with podkit.pod("app") as pod:
        pod.start(podkit.party(HUNGRY.replace("60 << 20", "1 << 20"), memory_mb=256))
        wait_for_more(pod, "MORE")
        held = pod.limit_memory("app", 16)
        time.sleep(0.5)
        assert held != pod.state("app").running


def test_the_clock_is_what_the_lab_says() -> None:
    clock = Sidecar(
        name="clock", kind="clock", port=9500, memory_mb=128, config={"start": 1_800_000_000}
    )
    ask = """
import http.client, json
c = http.client.HTTPConnection("clock", 9500, timeout=10)
c.request("GET", "/now")
now = json.loads(c.getresponse().read())
c.request("GET", "/other")
print("RESULT " + json.dumps({**now, "other": c.getresponse().status}))
"""
    with podkit.pod("app", "clock") as pod:
        pod.start(sidecar_party(clock))
        channel = greet(pod, clock)
        seen = run_client(pod, "app", ask)
        assert 0 <= seen["unix"] - 1_800_000_000 < 60
        assert seen["iso"].startswith("2027-01-15T08:0")
        assert seen["other"] == 404
        command(channel, {"command": "clock", "offset_s": 86_400, "rate": 0}, 2)
        frozen = [run_client(pod, name, ask)["unix"] for name in ("app-2", "app-3")]
        assert frozen[0] == frozen[1]
        assert 86_400 <= frozen[0] - 1_800_000_000 < 86_500


def test_the_probe_weighs_more_until_it_is_told_not_to() -> None:
    run = podkit.labels()

    def shares() -> int:
        found = podkit.client().containers.list(
            filters={"name": "-probe", "label": f"{LABEL_RUN}={run.run_id}"}
        )
        return int(found[0].attrs["HostConfig"]["CpuShares"])

    with podkit.pod("probe", run=run) as pod:
        pod.start(podkit.party("import time; time.sleep(60)", "probe", role="probe"))
        assert shares() == 8192
        pod.weigh_alike("probe")
        assert shares() == 1024
