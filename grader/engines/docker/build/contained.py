"""A build in containment: package indexes at most, and memory, CPU, processes, time, output and
disk are bounded.

``RUN`` is root inside the classic builder, so everything that bounds it comes from outside: limits
in the request, a
holder container whose cgroup bounds processes, and a watch that closes the response, which ends a
hung RUN.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import IO

import docker
from docker.errors import APIError

from grader.dockerfile import Plan, as_bases, canonical
from grader.dockerfile.lint import NAME, check
from grader.engines.base import BuildRequest, ImageRef
from grader.engines.docker.build import disk
from grader.engines.docker.build.context import DOCKERFILE, pack
from grader.engines.docker.build.explain import explain
from grader.engines.docker.build.holder import Holder
from grader.engines.docker.build.leftovers import LABEL_BUILD, Leftovers
from grader.engines.docker.build.stream import BuildStream
from grader.engines.docker.build.text import neutralise
from grader.engines.docker.packages.gateway import Gateway, Way
from grader.engines.labels import as_labels
from grader.errors import BuildFailed, DockerfileRefused, RunCancelled, SandboxError

MIB = 1 << 20
LOOK_S = 0.5
DISK_LOOK_S = 1.5
PIDS = 256
CPU_PERIOD = 100_000
LAST_LINES = 60
MAX_LINE = 2000
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,10}m")
"""The engine paints standard error red."""
_ENGINE_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully built ")
_STEP = re.compile(r"Step (\d{1,4})/(\d{1,4}) : ")


def build_image(
    client: docker.DockerClient,
    request: BuildRequest,
    on_line: Callable[[str], None],
    cancelled: Callable[[], bool],
    extra_labels: Mapping[str, str] | None = None,
    gateway: Gateway | None = None,
) -> ImageRef:
    """Build the snapshot and return its image.

    Whatever else the build made is removed in every case.

    ``gateway``: the way to package indexes; without one the build has no network.

    Raises DockerfileRefused, BuildFailed, RunCancelled, or SandboxError when the engine is at
    fault.
    """
    files = {path: file.data for path, file in request.snapshot.files.items()}
    bases = as_bases(request.bases)
    check(files, bases)
    labels = {
        **as_labels(request.labels),
        **(extra_labels or {}),
        LABEL_BUILD: secrets.token_hex(8),
    }
    way = gateway.open() if gateway else None
    plan = canonical(files[NAME], bases, labels, way.prelude if way else ())
    for note in (*plan.notes, *bases.notes()):
        on_line(f"Note: {note}")
    watch = _Watch(request, plan, Leftovers(client.api, labels), on_line, cancelled)
    image: ImageRef | None = None
    try:
        with (
            Holder(client.api, request, labels, PIDS, way) as holder,
            pack(request.snapshot, plan, watch.look) as context,
        ):
            stream = _begun(client, context, _params(request, holder))
            try:
                image = watch.follow(stream)
            except BuildFailed as error:
                if way and holder.used_up():
                    raise _too_much(error, way) from error
                raise
            finally:
                stream.close()
        return image
    finally:
        watch.leftovers.remove(keep=image.id if image else None)


def _begun(client: docker.DockerClient, context: IO[bytes], params: dict[str, str]) -> BuildStream:
    """The build under way. What the engine does not accept is the learner's doing, never ours."""
    try:
        return BuildStream(client.api, context, params)
    except APIError as error:
        if error.status_code is None or not 400 <= error.status_code < 500:
            raise
        said = neutralise(str(error.explanation or error))[:300]
        raise DockerfileRefused(
            f"The engine does not accept the Dockerfile: {said}.",
            "Build it on your own machine: the message is the engine's own.",
        ) from error


def _too_much(error: BuildFailed, way: Way) -> BuildFailed:
    return BuildFailed(
        f"The build read more packages than it may: {way.build_mib} MiB.",
        (
            "Install fewer or smaller ones; torch, for example, comes without CUDA from a wheel for "
            "CPUs."
        ),
        tail=error.tail,
    )


def _params(request: BuildRequest, holder: Holder) -> dict[str, str]:
    """The query of POST /build. docker-py's own ``build`` can't pass all of these."""
    memory = request.memory_mb * MIB
    limits = [
        {"Name": "nofile", "Soft": 4096, "Hard": 4096},
        {"Name": "core", "Soft": 0, "Hard": 0},
        {"Name": "fsize", "Soft": request.disk_mb * MIB, "Hard": request.disk_mb * MIB},
    ]
    params = {
        "dockerfile": DOCKERFILE,
        "rm": "1",
        "forcerm": "1",
        "networkmode": holder.network,
        "memory": str(memory),
        "memswap": str(memory),
        "cpuperiod": str(CPU_PERIOD),
        "cpuquota": str(int(request.cpu * CPU_PERIOD)),
        "shmsize": str(64 * MIB),
        "ulimits": json.dumps(limits),
    }
    return {**params, "cgroupparent": holder.cgroup_parent} if holder.cgroup_parent else params


class _Watch:
    """Follows the output of one build and ends it when it breaks a bound."""

    def __init__(
        self,
        request: BuildRequest,
        plan: Plan,
        leftovers: Leftovers,
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._request, self.leftovers, self._cancelled = request, leftovers, cancelled
        self._steps = plan.steps
        self._on_line = on_line
        self._deadline = time.monotonic() + request.timeout_s
        self._next_disk = time.monotonic() + DISK_LOOK_S
        self._layers = disk.Layers(request.disk_mb * MIB)
        self._bytes = 0
        self._tail: list[str] = []
        self._begun = ""
        self._image = ""

    def follow(self, stream: BuildStream) -> ImageRef:
        while (message := stream.next(LOOK_S)) is not stream.END:
            self.look()
            if message is not None:
                self._take(message)
        self._say([self._begun])
        if stream.error is not None:
            raise SandboxError(f"the build broke off: {stream.error}")
        if not self._image:
            raise SandboxError("the engine ended the build without an image")
        return ImageRef(self._image)

    def look(self) -> None:
        """Raise when the build has to end: it was cancelled, or it broke a bound."""
        if self._cancelled():
            raise RunCancelled("The run was cancelled.")
        now = time.monotonic()
        if now > self._deadline:
            raise self._failed(
                f"The build did not finish within {self._request.timeout_s:g} s.",
                (
                    "See which step hangs: one that waits for input or for an address that a build "
                    "can't reach never ends."
                ),
            )
        if now > self._next_disk:
            self._next_disk = now + DISK_LOOK_S
            self._look_at_the_disk()

    def _look_at_the_disk(self) -> None:
        """By the engine's own figures, and by what its layers really take where they can be
        seen.
        """
        most = self._request.disk_mb * MIB
        running, finished = self.leftovers.layers()
        seen = self._layers.look(running, finished)
        if self.leftovers.disk_bytes() > most or seen.bytes > most:
            raise self._failed(
                f"The build wrote more than {self._request.disk_mb} MiB to disk.",
                "Write less; remove temporary files in the same RUN that makes them.",
            )
        if seen.inodes > disk.MAX_INODES:
            raise self._failed(
                f"The build made more than {disk.MAX_INODES:,} files.",
                "Make fewer files; leave out caches and examples.",
            )
        if any(disk.is_scarce(layer) for layer in running):
            advice = "Free some space; `docker system df` says where it went."
            raise SandboxError("The engine's disk is nearly full.", advice)

    def _take(self, message: Mapping[str, object]) -> None:
        aux = message.get("aux")
        if isinstance(aux, Mapping) and isinstance(aux.get("ID"), str):
            self._image = str(aux["ID"])
        text = str(message.get("stream") or message.get("error") or "")
        self._bytes += len(text)
        if self._bytes > self._request.output_kb << 10:
            raise self._failed(
                f"The build printed more than {self._request.output_kb} KiB of output.",
                "Print less: use quiet flags, and never write data to the terminal.",
            )
        # A message is a piece of output, not a line: a line may come in several.
        *whole, self._begun = (self._begun + text).split("\n")
        self._say(whole)
        if len(self._begun) > MAX_LINE or "error" in message:
            self._say([self._begun])
            self._begun = ""
        if "error" in message:
            raise self._failed(
                *explain(str(message["error"])[:2000], self._tail, self._request.memory_mb)
            )

    def _say(self, lines: Iterable[str]) -> None:
        for raw in lines:
            for line in neutralise(_COLOUR.sub("", raw)).splitlines():
                shown = self._shown(line)
                if shown.strip() and not _ENGINE_NOISE.match(shown):
                    self._tail = [*self._tail, shown[:MAX_LINE]][-LAST_LINES:]
                    self._on_line(shown[:MAX_LINE])

    def _shown(self, line: str) -> str:
        """A step as the learner wrote it; nothing for a step of ours."""
        match = _STEP.match(line)
        number = int(match[1]) if match else 0
        if match is None or not 0 < number <= len(self._steps) == int(match[2]):
            return line
        own = self._steps[number - 1]
        before = sum(bool(step) for step in self._steps[:number])
        return f"Step {before}/{sum(bool(step) for step in self._steps)}: {own}" if own else ""

    def _failed(self, message: str, advice: str) -> BuildFailed:
        return BuildFailed(message, advice, tail=tuple(self._tail))
