"""The holder of one build: a container whose cgroup bounds every RUN, and whose network is all that
a RUN sees.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from types import TracebackType

from docker import APIClient
from docker.types import LogConfig

from grader.engines.base import BuildRequest
from grader.engines.docker.packages.gateway import Way
from grader.errors import SandboxError

HOLDER_IMAGE = "seatrial/base:1"
MIB = 1 << 20
RELAY_S = 10.0


class Holder:
    """On cgroup v1 with the cgroupfs driver, RUN containers go under the holder's own cgroup.
    Elsewhere there is no such path through the API, and the memory limit of the build alone bounds
    a fork bomb.

    With a ``way``, the holder runs the relay to the package proxy, and RUN shares its network:
    loopback, and nothing else. Without one, RUN has no network of its own.
    """

    def __init__(
        self,
        api: APIClient,
        request: BuildRequest,
        labels: Mapping[str, str],
        pids: int,
        way: Way | None = None,
    ) -> None:
        self._api, self._request, self._labels, self._pids = api, request, dict(labels), pids
        self._way = way
        self._id: str | None = None
        self.cgroup_parent: str | None = None
        self.network = "none"

    def __enter__(self) -> Holder:
        info = self._api.info()
        bounds = (
            str(info.get("CgroupVersion") or "1") == "1" and info.get("CgroupDriver") == "cgroupfs"
        )
        if bounds or self._way:
            try:
                self._start(self._create())
            except BaseException:
                self._remove()
                raise
        if bounds:
            self.cgroup_parent = f"/docker/{self._id}"
        return self

    def _create(self) -> str:
        memory = (self._request.memory_mb + 64) * MIB
        config = self._api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            pids_limit=self._pids,
            mem_limit=memory,
            memswap_limit=memory,
            binds=dict(self._way.binds) if self._way else {},
            extra_hosts=dict(self._way.hosts) if self._way else {},
            dns=["127.0.0.1"],
            dns_opt=["timeout:1", "attempts:1"],
            log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        )
        created = self._api.create_container(
            self._way.image if self._way else HOLDER_IMAGE,
            entrypoint=self._way.command if self._way else ["sleep", "infinity"],
            user="10001:10001",
            labels={**self._labels, "seatrial.party": "build-holder"},
            host_config=config,
        )
        self._id = str(created["Id"])
        return self._id

    def _start(self, container: str) -> None:
        self._api.start(container)
        if self._way is None:
            return
        self.network = f"container:{container}"
        deadline = time.monotonic() + RELAY_S
        while b"ready" not in self._api.logs(container, tail=1):
            if time.monotonic() > deadline:
                raise SandboxError("the relay to the package proxy does not start")
            time.sleep(0.03)

    def used_up(self) -> bool:
        """Whether the build has read all the packages that it may."""
        if self._way is None or self._id is None:
            return False
        with contextlib.suppress(Exception):  # only the message is worse without it
            return b"used up" in self._api.logs(self._id, tail=5)
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._id is not None:
            with contextlib.suppress(Exception):  # the sweep finds it by its labels
                self._api.remove_container(self._id, force=True, v=False)
