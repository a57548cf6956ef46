"""The fake keeps the promises of the interface, so that what is tested with it means something."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from grader.engines.base import BuildRequest, Channel, ImageRef, PartySpec, Pod, RunLabels, Sandbox
from grader.engines.docker.channel import DockerChannel
from grader.engines.docker.pod import DockerPod
from grader.engines.docker.sandbox import DockerSandbox
from grader.engines.fake import FakeChannel, FakePod, FakeSandbox, Script
from grader.errors import BuildFailed, EngineUnavailable, LearnerError, RunCancelled, SandboxError
from grader.job import Snapshot
from grader.lab import SourceFile

LABELS = RunLabels("r1", 1, "here", 2**40)
IMAGE = ImageRef("sha256:1")
REQUEST = BuildRequest(
    Snapshot({PurePosixPath("Dockerfile"): SourceFile(b"FROM x")}, "d1"), {}, LABELS, 10
)


def opened(**scripts: Script) -> FakePod:
    return FakeSandbox(scripts).open_pod(LABELS, ("app",))


def test_real_and_fake_have_the_methods_of_the_interface():
    for protocol, kinds in {
        Sandbox: (DockerSandbox, FakeSandbox),
        Pod: (DockerPod, FakePod),
        Channel: (DockerChannel, FakeChannel),
    }.items():
        wanted = {name for name in vars(protocol) if not name.startswith("_")}
        for kind in kinds:
            assert wanted <= set(dir(kind)), kind


def test_disk_and_memory_get_scarce_as_on_the_engine():
    pod = opened()
    pod.start(PartySpec("app", "app", IMAGE, memory_mb=256, data_mb=8))
    pod.start(PartySpec("other", "app", IMAGE))
    pod.fill_data("app")
    assert pod.parties["app"].data_full
    pod.free_data("app")
    assert not pod.parties["app"].data_full
    with pytest.raises(SandboxError, match="no /data"):
        pod.fill_data("other")
    assert pod.limit_memory("app", 128)
    assert pod.parties["app"].memory_mb == 128
    assert not pod.limit_memory("app", 16)
    pod.weigh_alike("app")


def test_a_party_answers_by_its_script():
    pod = opened(probe=Script(greeting=("hello",), answers=lambda line: [line.upper(), "done"]))
    pod.start(PartySpec("probe", "probe", IMAGE, interactive=True))
    channel = pod.open_channel("probe")
    channel.send("go")
    assert [channel.receive(1) for _ in range(4)] == ["hello", "GO", "done", None]
    assert channel.sent == ["go"]
    pod.signal("probe", "SIGKILL")
    with pytest.raises(SandboxError, match="gone"):
        channel.receive(1)


def test_start_errors_states_and_stops():
    pod = opened(
        bad=Script(start_error=LearnerError("no CMD")),
        crash=Script(exits_with=3),
        deaf=Script(stops_with=None, log="x\x1b" * 3),
        hog=Script(exits_with=0, oom_killed=True),
    )
    with pytest.raises(LearnerError, match="no CMD"):
        pod.start(PartySpec("bad", "app", IMAGE))
    for name in ("crash", "deaf", "hog", "app"):
        pod.start(PartySpec(name, "app", IMAGE))
    assert pod.state("crash").exit_code == 3
    assert pod.state("hog").oom_killed
    assert pod.stop("app", 5).exit_code == 0
    assert pod.stop("deaf", 5).exit_code == 137
    assert pod.parties["deaf"].graces == [5]
    pod.restart("app")
    assert pod.state("app").running
    assert pod.parties["app"].starts == 2
    assert pod.logs("deaf", max_bytes=2) == "x\\x1b"
    pod.pause("app")
    assert pod.state("app").paused
    pod.unpause("app")
    assert not pod.state("app").paused
    with pytest.raises(SandboxError, match="already has"):
        pod.start(PartySpec("app", "app", IMAGE))
    pod.destroy()
    pod.destroy()
    assert not pod.state("app").running
    with pytest.raises(SandboxError):
        pod.signal("app", "SIGTERM")


def test_builds_and_held_images():
    sandbox, said = FakeSandbox(), []
    image = sandbox.build(REQUEST, said.append, lambda: False)
    assert said
    assert sandbox.held_image("k", REQUEST) == sandbox.held_image("k", REQUEST)
    assert len(sandbox.builds) == 2
    sandbox.remove_image(image)
    sandbox.remove_image(image)
    assert sandbox.images == {}
    with pytest.raises(RunCancelled):
        sandbox.build(REQUEST, said.append, lambda: True)
    sandbox.build_error = BuildFailed("no")
    with pytest.raises(BuildFailed):
        sandbox.build(REQUEST, said.append, lambda: False)


def test_sweep_follows_the_rules():
    sandbox = FakeSandbox(installation="here")
    old = RunLabels("r0", 1, "elsewhere", 1)
    mine, other = (
        sandbox.open_pod(LABELS, ()),
        sandbox.open_pod(RunLabels("r9", 1, "elsewhere", 2**40), ()),
    )
    expired = sandbox.open_pod(old, ())
    assert sandbox.sweep(is_alive=lambda run, fence: (run, fence) == ("r1", 1)) == 1
    assert (mine.destroyed, other.destroyed, expired.destroyed) == (False, False, True)
    assert sandbox.sweep(is_alive=lambda *_: False) == 1
    assert (mine.destroyed, other.destroyed) == (True, False)


def test_no_engine():
    sandbox = FakeSandbox()
    sandbox.available = False
    for call in (sandbox.check, lambda: sandbox.image("x"), lambda: sandbox.open_pod(LABELS, ())):
        with pytest.raises(EngineUnavailable):
            call()
