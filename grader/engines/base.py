"""The sandbox interface: a pod is one isolated place where parties reach each other by name.

No word of any particular engine stands here; ``docker.py`` implements it, ``fake.py`` serves unit
tests. "Already gone" counts as success for everything that stops or removes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from grader.dockerfile import Bases
from grader.job import Snapshot

if TYPE_CHECKING:
    from grader.engines.handle import PodHandle

Role = Literal["app", "sidecar", "baseline", "probe"]


@dataclass(frozen=True, slots=True)
class RunLabels:
    """Identity put on everything that a run creates, so that a sweep can find it."""

    run_id: str
    fence: int
    installation: str
    """Which Seatrial installation (or CLI process) owns the run: a sweep leaves other installations
    alone.
    """
    expires_at: int
    """Unix seconds after which a sweep may remove it whatever the worker says."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that the engine holds. ``id`` is its content id (``sha256:...``)."""

    id: str


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A contained build of a checked snapshot. ``bases``: what FROM and COPY --from may name."""

    snapshot: Snapshot
    bases: Bases | Mapping[str, str]
    labels: RunLabels
    timeout_s: float
    memory_mb: int = 1024
    cpu: float = 1.0
    disk_mb: int = 1024
    output_kb: int = 8192


@dataclass(frozen=True, slots=True)
class PartySpec:
    """One container of a pod: who it is, what runs, and its bounds."""

    name: str
    role: Role
    image: ImageRef
    port: int | None = None
    command: tuple[str, ...] | None = None
    env: dict[str, str] = field(default_factory=dict)
    cpu: float = 1.0
    memory_mb: int = 512
    pids: int = 128
    tmp_mb: int = 64
    data_mb: int = 0
    stop_grace_s: int = 10
    interactive: bool = False
    """Keep stdin open: the party speaks typed JSON lines over stdin/stdout."""


@dataclass(frozen=True, slots=True)
class PartyState:
    """What the engine says about a party."""

    running: bool
    exit_code: int | None = None
    oom_killed: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far and memory, as the engine reports them."""

    cpu_s: float
    memory_peak_bytes: int
    memory_bytes: int = 0
    """In use right now: everything but pages of files, which the kernel can drop.

    Files in a tmpfs do count.
    """


class Channel(Protocol):
    """Lines over stdin/stdout of an interactive party. Lines are UTF-8 text without the newline."""

    def send(self, line: str) -> None: ...

    def receive(self, timeout_s: float) -> str | None:
        """The next line;

        None when none came in time. Raises SandboxError when the party is gone or floods.
        """
        ...

    def close(self) -> None: ...


class Pod(Protocol):
    """One isolated network namespace with everything in it.

    Used by the engine; ``destroy`` never raises.
    """

    def start(self, party: PartySpec) -> None:
        """Create and start.

        Raises LearnerError for role 'app' if the image can't start, SandboxError otherwise.
        """
        ...

    def open_channel(self, name: str) -> Channel: ...
    def state(self, name: str) -> PartyState: ...
    def signal(self, name: str, signal: str) -> None: ...

    def stop(self, name: str, grace_s: float) -> PartyState:
        """SIGTERM, then SIGKILL after ``grace_s``; returns the state at the end."""
        ...

    def restart(self, name: str) -> None:
        """Start a stopped party again (or stop hard and start); /data survives, everything else is
        new.
        """
        ...

    def pause(self, name: str) -> None: ...
    def unpause(self, name: str) -> None: ...
    def fill_data(self, name: str) -> None:
        """Take all the space that is left in the party's /data, out of its sight.

        Raises SandboxError without one.
        """
        ...

    def free_data(self, name: str) -> None:
        """Give back what ``fill_data`` took."""
        ...

    def limit_memory(self, name: str, megabytes: int) -> bool:
        """Change the memory limit while it runs.

        False: it uses more than that and the engine left it as it was.
        """
        ...

    def weigh_alike(self, name: str) -> None:
        """From now on it weighs what any other does when processors are scarce.

        The probe begins with more.
        """
        ...

    def weigh_as_before(self, name: str) -> None:
        """Give it the weight back with which it started."""
        ...

    def logs(self, name: str, *, max_bytes: int = 65536, since_s: float | None = None) -> str:
        """The newest ``max_bytes`` of output, escapes neutralised. ``since_s``: Unix time."""
        ...

    def usage(self, name: str) -> Usage:
        """As of now; the engine may take a second to answer."""
        ...

    def seen_usage(self, name: str) -> Usage | None:
        """Of a party of role 'app', at once: as of the last second in which it ran.

        None in its first second.
        """
        ...

    def is_whole(self) -> bool:
        """Whether the pod's own place still stands. False once the engine went away or was started
        anew: what was measured since then says nothing. Never raises.
        """
        ...

    def describe(self) -> PodHandle:
        """What ``Sandbox.adopt`` needs to open this pod in another process."""
        ...

    def destroy(self) -> None: ...


class Sandbox(Protocol):
    """An engine that builds images and opens pods."""

    def check(self) -> None:
        """Raise EngineUnavailable, with advice, unless the engine answers and has what we need."""
        ...

    def image(self, name: str) -> ImageRef:
        """One of our own images (``seatrial/runtime:1``), already bootstrapped.

        Raises EngineUnavailable if missing.
        """
        ...

    def bases(self, own: Sequence[str], on_line: Callable[[str], None]) -> Bases:
        """What FROM may name: ``own`` (images of ours), and public images as the operator allows.

        A public image may be pulled or made when it is first asked for; ``on_line`` then hears of
        it.
        """
        ...

    def build(
        self, request: BuildRequest, on_line: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> ImageRef:
        """Build in containment. ``on_line`` gets bounded, neutralised output lines. Raises
        DockerfileRefused, BuildFailed, RunCancelled or SandboxError.
        """
        ...

    def held_image(self, key: str, request: BuildRequest) -> ImageRef:
        """The image kept under ``key`` (a digest), built by the same containment if missing. For
        lab baselines; a sweep leaves it alone.
        """
        ...

    def remove_image(self, image: ImageRef) -> None: ...

    def open_pod(self, labels: RunLabels, hosts: tuple[str, ...]) -> Pod:
        """An empty pod in which every name of ``hosts`` has a loopback address of its own."""
        ...

    def adopt(self, handle: PodHandle) -> Pod:
        """A pod that is there already, as ``Pod.describe`` told of it, perhaps in another process.

        Lines that an interactive party said meanwhile are lost. Raises SandboxError when the pod is
        gone, or of another kind of engine.
        """
        ...

    def sweep(self, *, is_alive: Callable[[str, int], bool]) -> int:
        """Remove what dead runs of this installation left: everything labelled whose (run_id,
        fence) is not alive, and whatever expired, of any installation. Returns how many objects
        were removed.
        """
        ...
