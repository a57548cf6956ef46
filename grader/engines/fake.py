"""A sandbox in memory for unit tests.

It keeps the rules of the real one: order, names, errors, "already gone".
"""

from __future__ import annotations

import collections
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from grader.dockerfile import Bases, Table
from grader.engines.base import BuildRequest, ImageRef, PartySpec, PartyState, RunLabels, Usage
from grader.engines.docker.build.text import neutralise
from grader.engines.handle import PartyHandle, PodHandle
from grader.errors import EngineUnavailable, RunCancelled, SandboxError, SeatrialError

NO_LINES: tuple[str, ...] = ()


@dataclass(slots=True)
class Script:
    """How one party behaves."""

    greeting: tuple[str, ...] = ()
    """Lines that an interactive party says as soon as it starts."""
    answers: Callable[[str], Iterable[str]] = field(default=lambda _line: NO_LINES)
    """What an interactive party says to each line; raise SandboxError to die at it."""
    start_error: SeatrialError | None = None
    exits_with: int | None = None
    """It ends on its own right after starting, with this code."""
    stops_with: int | None = 0
    """Its exit code on SIGTERM; None: it ignores SIGTERM and is killed."""
    oom_killed: bool = False
    log: str = ""
    usage: Usage = field(default_factory=lambda: Usage(0.5, 64 << 20))


class FakeChannel:
    """Implements ``Channel``: whatever is sent is answered at once by the script."""

    def __init__(self, party: FakeParty) -> None:
        self._party = party
        self._lines = collections.deque(party.script.greeting)
        self.sent: list[str] = []
        self.closed = False
        self.waited_s = 0.0

    def send(self, line: str) -> None:
        if "\n" in line:
            raise ValueError("a line may not contain a newline")
        self._check_alive()
        self.sent.append(line)
        try:
            self._lines.extend(self._party.script.answers(line))
        except SandboxError:
            self._party.die(1)
            raise

    def receive(self, timeout_s: float) -> str | None:
        """Never waits: without a line, the time counts as over (``waited_s`` adds it up)."""
        if self._lines:
            return self._lines.popleft()
        self._check_alive()
        self.waited_s += timeout_s
        return None

    def close(self) -> None:
        self.closed = True

    def _check_alive(self) -> None:
        if self.closed or not self._party.state.running:
            raise SandboxError(f"{self._party.spec.name} is gone")


class FakeParty:
    """A party as the fake pod keeps it."""

    def __init__(self, spec: PartySpec, script: Script) -> None:
        self.spec, self.script = spec, script
        self.starts = 0
        self.channel: FakeChannel | None = None
        self.state = PartyState(running=False)
        self.signals: list[str] = []
        self.graces: list[float] = []
        self.data_full = False
        self.memory_mb = spec.memory_mb
        self.alike = False

    def launch(self) -> None:
        self.starts += 1
        self.state = PartyState(running=True)
        if self.spec.interactive:
            self.channel = FakeChannel(self)
        if self.script.exits_with is not None:
            self.die(self.script.exits_with)

    def die(self, code: int) -> None:
        if self.state.running:
            self.state = PartyState(
                running=False, exit_code=code, oom_killed=self.script.oom_killed
            )


class FakePod:
    """Implements ``Pod``."""

    def __init__(
        self, labels: RunLabels, hosts: tuple[str, ...], scripts: dict[str, Script]
    ) -> None:
        self.labels, self.hosts, self._scripts = labels, hosts, scripts
        self.parties: dict[str, FakeParty] = {}
        self.destroyed = False
        self.whole = True

    def start(self, party: PartySpec) -> None:
        self._check_open()
        if party.name in self.parties:
            raise SandboxError(f"the pod already has a party {party.name!r}")
        script = self._scripts.get(party.name, Script())
        if script.start_error is not None:
            raise script.start_error
        self.parties[party.name] = FakeParty(party, script)
        self.parties[party.name].launch()

    def open_channel(self, name: str) -> FakeChannel:
        channel = self._party(name).channel
        if channel is None:
            raise SandboxError(f"{name} is not interactive")
        return channel

    def state(self, name: str) -> PartyState:
        """What is gone does not run; it is no error to ask."""
        return PartyState(running=False) if self.destroyed else self._party(name).state

    def signal(self, name: str, signal: str) -> None:
        party = self._party(name)
        if not re.fullmatch(r"SIG[A-Z0-9]{2,12}", signal):
            raise SandboxError(f"{signal!r} is not the name of a signal")
        party.signals.append(signal)
        if signal == "SIGKILL":
            party.die(137)
        elif signal == "SIGTERM" and party.script.stops_with is not None:
            party.die(party.script.stops_with)

    def stop(self, name: str, grace_s: float) -> PartyState:
        self.unpause(name)
        self._party(name).graces.append(grace_s)
        self.signal(name, "SIGTERM")
        self._party(name).die(137)
        return self.state(name)

    def restart(self, name: str) -> None:
        party = self._party(name)
        party.die(137)
        party.launch()

    def pause(self, name: str) -> None:
        party = self._party(name)
        if not party.state.running:
            raise SandboxError(f"{name} does not run, so it can't be paused")
        party.state = PartyState(running=True, paused=True)

    def unpause(self, name: str) -> None:
        party = self._party(name)
        if party.state.paused:
            party.state = PartyState(running=True)

    def fill_data(self, name: str) -> None:
        self._with_data(name).data_full = True

    def free_data(self, name: str) -> None:
        self._with_data(name).data_full = False

    def limit_memory(self, name: str, megabytes: int) -> bool:
        party = self._party(name)
        if party.script.usage.memory_peak_bytes > megabytes << 20:
            return False
        party.memory_mb = megabytes
        return True

    def weigh_alike(self, name: str) -> None:
        self._party(name).alike = True

    def weigh_as_before(self, name: str) -> None:
        self._party(name).alike = False

    def _with_data(self, name: str) -> FakeParty:
        party = self._party(name)
        if not party.spec.data_mb:
            raise SandboxError(f"{name} has no /data; give it one with data_mb")
        return party

    def logs(self, name: str, *, max_bytes: int = 65536, since_s: float | None = None) -> str:  # noqa: ARG002
        raw = self._party(name).script.log.encode()
        return neutralise(raw[-max_bytes:].decode("utf-8", "replace")) if max_bytes else ""

    def usage(self, name: str) -> Usage:
        return self._party(name).script.usage

    def seen_usage(self, name: str) -> Usage | None:
        return self._party(name).script.usage

    def is_whole(self) -> bool:
        return self.whole and not self.destroyed

    def describe(self) -> PodHandle:
        parties = {
            name: PartyHandle(spec=party.spec, container=name)
            for name, party in self.parties.items()
        }
        return PodHandle(engine="fake", labels=self.labels, place=str(id(self)), parties=parties)

    def destroy(self) -> None:
        self.destroyed = True
        for party in self.parties.values():
            party.die(137)
            if party.channel is not None:
                party.channel.close()

    def _check_open(self) -> None:
        if self.destroyed:
            raise SandboxError("the pod was destroyed meanwhile")

    def _party(self, name: str) -> FakeParty:
        self._check_open()
        try:
            return self.parties[name]
        except KeyError:
            raise SandboxError(f"the pod has no party {name!r}") from None


class FakeSandbox:
    """Implements ``Sandbox``.

    ``scripts``: party name -> its behaviour. What happened can be read from the fields.
    """

    def __init__(
        self, scripts: dict[str, Script] | None = None, *, installation: str | None = None
    ) -> None:
        self.scripts = scripts or {}
        self.installation = installation
        self.available = True
        self.build_lines: tuple[str, ...] = ("Step 1/1 : FROM seatrial/runtime:1",)
        self.build_error: SeatrialError | None = None
        self.builds: list[BuildRequest] = []
        self.held: dict[str, ImageRef] = {}
        self.pods: list[FakePod] = []
        self.images: dict[str, RunLabels] = {}
        """Images of runs that were built and not yet removed, by id."""

    def check(self) -> None:
        if not self.available:
            raise EngineUnavailable("No container engine answers.", "Start one.")

    def image(self, name: str) -> ImageRef:
        self.check()
        return ImageRef(_id(name))

    def bases(self, own: Sequence[str], on_line: Callable[[str], None]) -> Bases:  # noqa: ARG002
        """Public images are never there: no line is said."""
        return Table({name: self.image(name).id for name in own})

    def build(
        self, request: BuildRequest, on_line: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> ImageRef:
        self.check()
        self.builds.append(request)
        for line in self.build_lines:
            if cancelled():
                raise RunCancelled("The run was cancelled.")
            on_line(neutralise(line))
        if self.build_error is not None:
            raise self.build_error
        image = ImageRef(_id(request.snapshot.digest))
        self.images[image.id] = request.labels
        return image

    def held_image(self, key: str, request: BuildRequest) -> ImageRef:
        if key not in self.held:
            image = self.build(request, lambda _line: None, lambda: False)
            del self.images[image.id]
            self.held[key] = image
        return self.held[key]

    def remove_image(self, image: ImageRef) -> None:
        self.images.pop(image.id, None)

    def open_pod(self, labels: RunLabels, hosts: tuple[str, ...]) -> FakePod:
        self.check()
        if len(set(hosts)) != len(hosts):
            raise SandboxError("the names in a pod must differ")
        pod = FakePod(labels, hosts, self.scripts)
        self.pods.append(pod)
        return pod

    def adopt(self, handle: PodHandle) -> FakePod:
        """The same pod: whoever holds it sees what the others do."""
        for pod in self.pods:
            if handle.engine == "fake" and str(id(pod)) == handle.place and pod.is_whole():
                return pod
        raise SandboxError("the pod is gone")

    def sweep(self, *, is_alive: Callable[[str, int], bool]) -> int:
        def dead(labels: RunLabels) -> bool:
            ours = labels.installation == self.installation
            return labels.expires_at < time.time() or (
                ours and not is_alive(labels.run_id, labels.fence)
            )

        pods = [pod for pod in self.pods if not pod.destroyed and dead(pod.labels)]
        images = [image for image, labels in self.images.items() if dead(labels)]
        for pod in pods:
            pod.destroy()
        for image in images:
            del self.images[image]
        return sum(1 + len(pod.parties) for pod in pods) + len(images)


def _id(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
