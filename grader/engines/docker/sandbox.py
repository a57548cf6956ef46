"""The sandbox on a Docker engine, from 20.10 on: local, remote or in a desktop's virtual
machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from grader.dockerfile import Bases
from grader.engines.base import BuildRequest, ImageRef, RunLabels
from grader.engines.docker.build.contained import build_image
from grader.engines.docker.errors import ENGINE_ADVICE, already_gone_is_fine, engine_call, logged
from grader.engines.docker.packages.gateway import Gateway
from grader.engines.docker.packages.policy import Policy
from grader.engines.docker.pod import DockerPod, Host
from grader.engines.docker.sweep import Sweep
from grader.engines.handle import PodHandle
from grader.engines.labels import LABEL_HELD
from grader.errors import EngineUnavailable, SandboxError
from grader.images.public import allowed_bases

PAUSE_IMAGE = "seatrial/base:1"
MIN_API = (1, 41)
CALL_TIMEOUT_S = 60
CONNECTIONS = 32


class DockerSandbox:
    """Implements ``Sandbox``. Safe to share between threads; connects on first use.

    ``installation`` is whose dead runs ``sweep`` removes; without one it removes only what has
    expired.
    ``pause_image`` needs nothing but ``sleep``.
    """

    def __init__(
        self,
        client: docker.DockerClient | None = None,
        *,
        installation: str | None = None,
        pause_image: str = PAUSE_IMAGE,
    ) -> None:
        self._given = client
        self._installation = installation
        self._pause_image = pause_image
        self._lock = threading.Lock()
        self._gateway: Gateway | None = None
        self._cpus = 0
        self._volumes: dict[str, tuple[str, ...]] = {}

    @property
    def client(self) -> docker.DockerClient:
        """Raises EngineUnavailable when there is no engine to connect to."""
        with self._lock:
            if self._given is None:
                try:
                    self._given = docker.from_env(timeout=CALL_TIMEOUT_S, max_pool_size=CONNECTIONS)
                except (DockerException, requests.RequestException) as error:
                    raise EngineUnavailable(
                        f"No container engine answers: {str(error)[:300]}", ENGINE_ADVICE
                    ) from error
            return self._given

    def check(self) -> None:
        api = self.client.api
        with _unavailable("tell its version"):
            version, info = api.version(), api.info()
        if tuple(int(n) for n in str(version["ApiVersion"]).split(".")[:2]) < MIN_API:
            raise EngineUnavailable(
                f"The container engine {version.get('Version')} is too old.",
                "Install Docker Engine 20.10 or newer.",
            )
        if info.get("OSType") != "linux":
            raise EngineUnavailable(
                "The container engine runs no Linux containers.",
                "Switch the engine to Linux containers.",
            )
        missing = [
            name for name in ("MemoryLimit", "PidsLimit", "CpuCfsQuota") if not info.get(name)
        ]
        if missing:
            raise EngineUnavailable(
                f"The container engine can't enforce limits: {', '.join(missing)}.",
                (
                    "Enable the memory, pids and cpu cgroup controllers on its host (rootless engines "
                    "need delegation)."
                ),
            )

    def image(self, name: str) -> ImageRef:
        with _unavailable(f"look up the image {name}"):
            try:
                return ImageRef(self._inspect(name)["Id"])
            except ImageNotFound:
                pass
        raise EngineUnavailable(
            f"The image {name} is not there yet.", "Run `./seatrial images` to make it."
        )

    def bases(self, own: Sequence[str], on_line: Callable[[str], None]) -> Bases:
        return allowed_bases(self.client, {name: self.image(name).id for name in own}, on_line)

    def build(
        self, request: BuildRequest, on_line: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> ImageRef:
        with _unavailable("build"):
            return build_image(self.client, request, on_line, cancelled, gateway=self._packages())

    def held_image(self, key: str, request: BuildRequest) -> ImageRef:
        repository, tag = "seatrial/held", hashlib.sha256(key.encode()).hexdigest()[:12]
        api = self.client.api
        with _unavailable("hold an image"):
            try:
                return ImageRef(self._inspect(f"{repository}:{tag}")["Id"])
            except ImageNotFound:
                pass
            labels = {LABEL_HELD: key}
            image = build_image(self.client, request, _ignore, _never, labels, self._packages())
            api.tag(image.id, repository, tag)
            return image

    def remove_image(self, image: ImageRef) -> None:
        # An image still in use by a pod that is going down is found by the sweep.
        with logged("remove an image"), engine_call("remove an image"), already_gone_is_fine():
            self.client.api.remove_image(image.id, force=True)

    def open_pod(self, labels: RunLabels, hosts: tuple[str, ...]) -> DockerPod:
        if len(set(hosts)) != len(hosts) or len(hosts) > 200:
            raise SandboxError("the names in a pod must differ, and there may be 200 at most")
        return DockerPod(self._host(), labels, hosts)

    def adopt(self, handle: PodHandle) -> DockerPod:
        return DockerPod.adopt(self._host(), handle)

    def _host(self) -> Host:
        return Host(
            api=self.client.api,
            cpus=self._engine_cpus(),
            pause_image=self._pause_image,
            volumes_of=self._volumes_of,
        )

    def sweep(self, *, is_alive: Callable[[str, int], bool]) -> int:
        return Sweep(self.client.api, self._installation, is_alive).run()

    def _packages(self) -> Gateway:
        with self._lock:
            api = self._given.api if self._given else None
            if self._gateway is None and api is not None:
                self._gateway = Gateway(api, Policy.from_environment())
            assert self._gateway is not None
            return self._gateway

    def _inspect(self, image: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.api.inspect_image(image)  # type: ignore[no-untyped-call]
        return found

    def _engine_cpus(self) -> int:
        if not self._cpus:
            with engine_call("count its CPUs"):
                self._cpus = max(1, int(self.client.api.info().get("NCPU") or 1))
        return self._cpus

    def _volumes_of(self, image_id: str) -> tuple[str, ...]:
        """Ids name contents, so an answer holds for ever; forgotten now and then to stay small."""
        if image_id not in self._volumes:
            if len(self._volumes) > 1000:
                self._volumes.clear()
            config = self._inspect(image_id).get("Config") or {}
            self._volumes[image_id] = tuple(config.get("Volumes") or ())
        return self._volumes[image_id]


def _ignore(_line: str) -> None:
    return None


def _never() -> bool:
    return False


@contextlib.contextmanager
def _unavailable(what: str) -> Iterator[None]:
    """An engine that refuses these calls is as good as none: say so, with advice."""
    try:
        with engine_call(what):
            yield
    except SandboxError as error:
        if isinstance(error.__cause__, APIError):
            raise EngineUnavailable(error.message, ENGINE_ADVICE) from error
        raise
