"""The fake engine and the real one behave alike: unit tests trust the fake, so each case here is
driven through both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import podkit
import pytest

from grader.engines.base import ImageRef, PartySpec
from grader.engines.fake import FakeSandbox, Script
from grader.engines.handle import PodHandle
from grader.errors import SandboxError
from grader.result import Frozen

pytestmark = pytest.mark.docker

OBEDIENT = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
PROGRAMS = {
    "obedient": f"{OBEDIENT}; print('said', flush=True); time.sleep(120)",
    "stubborn": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('said', flush=True); time.sleep(120)"
    ),
    "ends": "raise SystemExit(3)",
    "echo": "import sys\nprint('hello', flush=True)\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)",
}
SCRIPTS = {
    "obedient": Script(log="said\n"),
    "stubborn": Script(stops_with=None, log="said\n"),
    "ends": Script(exits_with=3),
    "echo": Script(greeting=("hello",), answers=lambda line: (line[::-1],)),
}


class Engine(Frozen, arbitrary_types_allowed=True):
    """An engine of either kind, and the image that its parties run."""

    sandbox: Any
    image: ImageRef
    real: bool

    def party(self, name: str, **more: Any) -> PartySpec:
        spec: dict[str, Any] = {"role": "sidecar", "interactive": name == "echo", **more}
        command = ("python3", "-u", "-c", PROGRAMS[name])
        return PartySpec(name, image=self.image, command=command, **spec)


@pytest.fixture(params=["fake", "real"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "fake":
        sandbox: Any = FakeSandbox(SCRIPTS, installation="test")
    else:
        sandbox = request.getfixturevalue("sandbox")
    return Engine(
        sandbox=sandbox, image=sandbox.image("seatrial/base:1"), real=request.param == "real"
    )


class Opened:
    """A pod with parties by the names of their behaviours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        labels = podkit.labels(installation="test")
        self.pod = engine.sandbox.open_pod(labels, tuple(PROGRAMS))

    def start(self, name: str, **more: Any) -> Any:
        self.pod.start(self.engine.party(name, **more))
        if name in ("obedient", "stubborn"):  # its handler stands once it has spoken
            self.until(lambda: "said" in self.pod.logs(name))
        return self.pod

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def close(self) -> None:
        self.pod.destroy()


@pytest.fixture
def opened(engine: Engine) -> Iterator[Opened]:
    with closing(Opened(engine)) as made:
        yield made


def test_a_polite_party_stops_with_its_own_code_and_starts_again(opened: Opened) -> None:
    pod = opened.start("obedient")
    assert pod.state("obedient").running
    stopped = pod.stop("obedient", 5)
    assert (stopped.running, stopped.exit_code, stopped.oom_killed) == (False, 0, False)
    assert pod.stop("obedient", 1) == stopped, "what is stopped stays as it is"
    pod.restart("obedient")
    assert pod.state("obedient").running
    pod.restart("obedient")
    assert pod.state("obedient").running


def test_who_ignores_sigterm_is_killed_after_the_grace(opened: Opened) -> None:
    stopped = opened.start("stubborn").stop("stubborn", 0.3)
    assert (stopped.running, stopped.exit_code) == (False, 137)


def test_a_party_that_ends_by_itself_says_its_code(opened: Opened) -> None:
    pod = opened.start("ends")
    opened.until(lambda: not pod.state("ends").running)
    assert pod.state("ends").exit_code == 3
    assert pod.stop("ends", 1).exit_code == 3


def test_signals(opened: Opened) -> None:
    pod = opened.start("obedient")
    for wrong in ("TERM", "SIGterm", "9", "SIGTERM; rm"):
        with pytest.raises(SandboxError, match="is not the name of a signal"):
            pod.signal("obedient", wrong)
    pod.signal("obedient", "SIGKILL")
    opened.until(lambda: not pod.state("obedient").running)
    assert pod.state("obedient").exit_code == 137


def test_pauses(opened: Opened) -> None:
    pod = opened.start("obedient")
    pod.unpause("obedient")  # nothing to do
    pod.pause("obedient")
    assert (pod.state("obedient").running, pod.state("obedient").paused) == (True, True)
    pod.unpause("obedient")
    assert (pod.state("obedient").running, pod.state("obedient").paused) == (True, False)
    pod.pause("obedient")
    assert pod.stop("obedient", 5).exit_code == 0, "a stop wakes it first"
    with pytest.raises(SandboxError, match="does not run"):
        pod.pause("obedient")


def test_lines(opened: Opened) -> None:
    channel = opened.start("echo").open_channel("echo")
    assert channel.receive(10) == "hello"
    channel.send("abc")
    assert channel.receive(10) == "cba"
    assert channel.receive(0.1) is None
    with pytest.raises(ValueError, match="newline"):
        channel.send("two\nlines")
    opened.pod.signal("echo", "SIGKILL")
    opened.until(lambda: not opened.pod.state("echo").running)
    with pytest.raises(SandboxError):
        channel.receive(5)


def test_who_has_no_line_and_who_is_not_there(opened: Opened) -> None:
    pod = opened.start("obedient")
    with pytest.raises(SandboxError, match="not interactive"):
        pod.open_channel("obedient")
    with pytest.raises(SandboxError, match="already has a party"):
        pod.start(opened.engine.party("obedient"))
    asked: tuple[Callable[[], object], ...] = (
        lambda: pod.open_channel("nobody"),
        lambda: pod.state("nobody"),
        lambda: pod.signal("nobody", "SIGTERM"),
        lambda: pod.stop("nobody", 1),
        lambda: pod.restart("nobody"),
        lambda: pod.pause("nobody"),
        lambda: pod.unpause("nobody"),
        lambda: pod.fill_data("nobody"),
        lambda: pod.free_data("nobody"),
        lambda: pod.limit_memory("nobody", 64),
        lambda: pod.weigh_alike("nobody"),
        lambda: pod.logs("nobody"),
        lambda: pod.usage("nobody"),
    )
    for ask in asked:
        with pytest.raises(SandboxError, match="has no party 'nobody'"):
            ask()


def test_data_memory_and_weight(opened: Opened) -> None:
    pod = opened.start("obedient", data_mb=8)
    pod.fill_data("obedient")
    pod.free_data("obedient")
    assert pod.limit_memory("obedient", 256) is True
    pod.weigh_alike("obedient")
    pod.weigh_as_before("obedient")
    assert pod.usage("obedient").memory_peak_bytes > 0
    pod.start(opened.engine.party("stubborn"))
    with pytest.raises(SandboxError, match="has no /data"):
        pod.fill_data("stubborn")


def test_logs_are_bounded(opened: Opened) -> None:
    pod = opened.start("obedient")
    assert pod.logs("obedient").strip() == "said"
    assert len(pod.logs("obedient", max_bytes=3)) <= 3
    assert pod.logs("obedient", max_bytes=0) == ""


def test_a_pod_that_was_destroyed(opened: Opened) -> None:
    pod = opened.start("obedient")
    assert pod.is_whole()
    pod.destroy()
    pod.destroy()
    assert not pod.is_whole()
    with pytest.raises(SandboxError):
        pod.start(opened.engine.party("ends"))
    assert not pod.state("obedient").running


def test_names_in_a_pod_differ(engine: Engine) -> None:
    with pytest.raises(SandboxError, match="must differ"):
        engine.sandbox.open_pod(podkit.labels(), ("one", "one"))


def test_images(engine: Engine) -> None:
    assert engine.image.id.startswith("sha256:")
    engine.sandbox.remove_image(ImageRef("sha256:" + "0" * 64))  # already gone is fine
    engine.sandbox.check()


def test_a_sweep_takes_dead_runs_and_leaves_living_ones(engine: Engine, opened: Opened) -> None:
    opened.start("obedient")
    engine.sandbox.sweep(is_alive=lambda _run, _fence: True)
    assert opened.pod.state("obedient").running
    assert engine.sandbox.sweep(is_alive=lambda _run, _fence: False) >= 1
    assert not opened.pod.is_whole()
    assert not opened.pod.state("obedient").running


def test_a_pod_is_adopted_by_another_process(engine: Engine, opened: Opened) -> None:
    """The handle goes through JSON, as it does in a row of a database."""
    pod = opened.start("obedient", data_mb=8)
    pod.start(opened.engine.party("echo"))
    assert pod.open_channel("echo").receive(10) == "hello"
    handle = PodHandle.model_validate_json(pod.describe().model_dump_json())
    other = engine.sandbox.adopt(handle)
    assert other.state("obedient").running
    channel = other.open_channel("echo")
    channel.send("abc")
    assert channel.receive(10) == "cba"
    other.fill_data("obedient")
    other.free_data("obedient")
    assert other.usage("obedient").memory_peak_bytes > 0
    assert other.stop("obedient", 5).exit_code == 0
    other.restart("obedient")
    other.start(engine.party("ends"))
    with pytest.raises(SandboxError, match="already has a party"):
        other.start(engine.party("echo"))
    other.destroy()
    assert not pod.is_whole()
    with pytest.raises(SandboxError, match="the pod is gone"):
        engine.sandbox.adopt(handle)
    if engine.real:
        assert podkit.left(handle.labels) == []


def test_a_pod_of_another_engine_is_not_adopted(engine: Engine, opened: Opened) -> None:
    handle = opened.pod.describe().model_copy(update={"engine": "another"})
    with pytest.raises(SandboxError, match="the pod is gone"):
        engine.sandbox.adopt(handle)
