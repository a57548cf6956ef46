"""The package proxy on an engine: one container for all builds, started when a build needs it and
kept running.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docker import APIClient
from docker.errors import ImageNotFound, NotFound
from docker.types import LogConfig

from grader.engines.docker.packages import nginx
from grader.engines.docker.packages.environment import argument_line
from grader.engines.docker.packages.policy import MIB, Policy
from grader.engines.docker.packages.sources import Sources, read_sources
from grader.errors import SandboxError
from grader.images import host

IMAGE = "seatrial/packages:1"
NAME = "seatrial-packages"
LABEL = "seatrial.packages"
"""On the proxy: the digest of its image and configuration. Another one: it is started anew."""
MEMORY = 384 * MIB
SETTLED_S = 0.6
RELAY = "/opt/seatrial/packages/relay.py"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """What one build needs to reach packages: the holder's image, command and mount, and an
    instruction.
    """

    image: str
    command: list[str]
    binds: dict[str, Mapping[str, str]]
    prelude: tuple[str, ...]
    hosts: dict[str, str]
    """Names that a build finds at an address of the relay."""
    build_mib: int


class Gateway:
    """``policy``: what the operator allows.

    Safe to share between threads; the host's configuration is read once.
    """

    def __init__(self, api: APIClient, policy: Policy) -> None:
        self._api, self._policy = api, policy

    @cached_property
    def sources(self) -> Sources:
        return read_sources(self._policy.kinds)

    def open(self) -> Way | None:
        """The way to packages, with the proxy running; None when the operator allows none.

        Raises SandboxError when the proxy does not start.
        """
        kinds = [
            kind
            for kind, there in (
                ("python", self.sources.python),
                ("debian", self.sources.debian),
                ("npm", self.sources.npm),
            )
            if there
        ]
        if not kinds:
            return None
        with _one_at_a_time():
            self._ensure()
        ways = [f"127.0.0.1:{nginx.PORTS[kind]}={nginx.SOCKETS}/{kind}.sock" for kind in kinds]
        hosts = self.sources.secure_hosts
        if hosts:
            ways.append(f"{nginx.SECURE_ADDRESS}:443={nginx.SOCKETS}/secure.sock")
        return Way(
            image=IMAGE,
            command=["python3", RELAY, str(self._policy.build_mib * MIB), *ways],
            binds={self._volume("sockets"): {"bind": nginx.SOCKETS, "mode": "ro"}},
            prelude=(argument_line(self.sources, own_certificates=host.has_own_certificates()),),
            build_mib=self._policy.build_mib,
            hosts=dict.fromkeys(hosts, nginx.SECURE_ADDRESS),
        )

    def close(self) -> None:
        """Remove the proxy; its cache stays."""
        with suppress(NotFound):
            self._api.remove_container(NAME, force=True)

    def _ensure(self) -> None:
        files = {
            "nginx.conf": nginx.config(self.sources, self._policy.cache_gib).encode(),
            "ca.crt": host.ca_bundle(),
        }
        try:
            image = str(self._api.inspect_image(IMAGE)["Id"])  # type: ignore[no-untyped-call]
        except ImageNotFound:
            raise SandboxError(
                f"the image {IMAGE} is not there yet", "Run `./seatrial images` to make it."
            ) from None
        digest = hashlib.sha256(b"\0".join([image.encode(), *files.values()])).hexdigest()
        if self._runs(digest):
            return
        self.close()
        self._start(image, digest, files)
        self._wait()

    def _runs(self, digest: str) -> bool:
        try:
            found = self._api.inspect_container(NAME)
        except NotFound:
            return False
        labels, state = found["Config"]["Labels"] or {}, found["State"]
        return labels.get(LABEL) == digest and state.get("Running") is True

    def _start(self, image: str, digest: str, files: dict[str, bytes]) -> None:
        """Read-only but for its volumes; on the host's network, whose way to the indexes it shares;
        no port is open.
        """
        config = self._api.create_host_config(
            network_mode="host",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            pids_limit=64,
            mem_limit=MEMORY,
            memswap_limit=MEMORY,
            tmpfs={"/tmp": "rw,nosuid,nodev,size=64m,mode=1777"},  # noqa: S108  inside the container
            binds={
                self._volume("sockets"): {"bind": nginx.SOCKETS, "mode": "rw"},
                self._volume("data"): {"bind": "/srv/packages", "mode": "rw"},
            },
            restart_policy={"Name": "unless-stopped"},
            log_config=LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
        )
        made = self._api.create_container(
            image, name=NAME, labels={LABEL: digest}, host_config=config
        )
        self._api.put_archive(made["Id"], "/srv/packages", _tar(files))
        self._api.start(made["Id"])
        LOG.info("the package proxy starts")

    def _wait(self) -> None:
        """nginx ends at once when it does not accept its configuration; the relay waits for the
        sockets.
        """
        time.sleep(SETTLED_S)
        state = self._api.inspect_container(NAME)["State"]
        if state.get("Running") is True and not state.get("Restarting"):
            return
        said = self._api.logs(NAME, tail=5).decode(errors="replace").strip()
        self.close()
        raise SandboxError(
            f"the package proxy does not start: {said[-600:]}",
            "Check the addresses of pip, apt and npm.",
        )

    def _volume(self, what: str) -> str:
        return f"{NAME}-{what}"


def _tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"conf/{name}")
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"seatrial-packages-{os.getuid()}.lock"
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
