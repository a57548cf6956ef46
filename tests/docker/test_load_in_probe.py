"""The load engine as it runs in a run:

Python 3.13, uvloop, the kernel's timer, locked down like the probe.
"""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from grader.images import ensure

pytestmark = pytest.mark.docker

CODE = """
import asyncio, gc, os, time
import uvloop
from grader.load.alarm import Alarm, precise
from grader.load.attack import attack
from grader.load.calibrate import _Echo, _echoed, BODY
from grader.load.pacer import constant
from grader.load.targeter import Request
from grader.http.client import Target

def descriptors():
    return len(os.listdir("/proc/self/fd"))

async def rings(ahead):
    rang = asyncio.get_running_loop().create_future()
    alarm = Alarm(lambda: rang.set_result(time.perf_counter()))
    due = time.perf_counter() + ahead
    alarm.at(due)
    try:
        return await asyncio.wait_for(rang, 30) - due
    finally:
        alarm.close()

async def main():
    assert precise(), "no kernel timer on the clock of perf_counter"
    assert "uvloop" in type(asyncio.get_running_loop()).__module__
    for ahead in (-1, 0, 0.0002, 0.003, 0.02):
        late = await rings(ahead)
        assert late >= 0, f"{ahead}: rang {late} s early"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Echo, "127.0.0.1", 0)
    target = Target("echo", "127.0.0.1", server.sockets[0].getsockname()[1])
    functional = await target.request("POST", "/echo", body=BODY)
    assert functional.body == BODY, functional.error
    await target.close()
    await asyncio.sleep(0.2)
    request = Request("POST", "/echo", BODY, validate=_echoed)
    before = descriptors()
    samples = await attack([target], constant(500, 1), lambda _: request)
    await asyncio.sleep(0.2)
    assert descriptors() == before, (before, descriptors())
    assert len(samples) == 500 and samples.errors() == {}, samples.errors()
    assert min(samples.lag_s) >= 0 and gc.isenabled()
    server.close()
    refused = await attack([target], constant(100, 0.2), lambda _: request)
    assert refused.errors() == {"could not connect: Connection refused": 20}, refused.errors()
    print("exact")

uvloop.run(main())
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    ensure(client, print, ["probe"])
    yield client
    client.close()


def test_the_engine_is_exact_and_leaves_nothing_open_in_the_probes_image(
    engine: docker.DockerClient,
) -> None:
    made = engine.containers.create(
        "seatrial/probe:1",
        ["python", "-c", CODE],
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        user="10001:10001",
        pids_limit=64,
        mem_limit="512m",
    )
    try:
        made.start()
        code = made.wait(timeout=120)["StatusCode"]
        assert code == 0, made.logs(stdout=False, stderr=True).decode()[-3000:]
        assert b"exact" in made.logs(stdout=True, stderr=False)
    finally:
        made.remove(force=True)
