"""The holder: a container whose cgroup bounds the processes and the memory of every RUN of one build."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import TracebackType

from docker import APIClient

from grader.sandbox.base import BuildRequest

HOLDER_IMAGE = "seatrial/base:1"
MIB = 1 << 20


class Holder:
    """On cgroup v1 with the cgroupfs driver, RUN containers go under the holder's own cgroup. Elsewhere there is no
    such path through the API, and the memory limit of the build alone bounds a fork bomb."""

    def __init__(self, api: APIClient, request: BuildRequest, labels: Mapping[str, str], pids: int) -> None:
        self._api, self._request, self._labels, self._pids = api, request, dict(labels), pids
        self._id: str | None = None
        self.cgroup_parent: str | None = None

    def __enter__(self) -> Holder:
        info = self._api.info()
        if str(info.get("CgroupVersion") or "1") != "1" or info.get("CgroupDriver") != "cgroupfs":
            return self
        memory = (self._request.memory_mb + 64) * MIB
        config = self._api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            pids_limit=self._pids,
            mem_limit=memory,
            memswap_limit=memory,
        )
        created = self._api.create_container(
            HOLDER_IMAGE,
            entrypoint=["sleep", "infinity"],
            user="10001:10001",
            labels={**self._labels, "seatrial.party": "build-holder"},
            host_config=config,
        )
        self._id = str(created["Id"])
        self._api.start(self._id)
        self.cgroup_parent = f"/docker/{self._id}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._id is not None:
            with contextlib.suppress(Exception):  # the sweep finds it by its labels
                self._api.remove_container(self._id, force=True, v=True)
