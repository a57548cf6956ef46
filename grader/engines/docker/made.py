"""What a pod made on its engine: containers and volumes, each labelled, all of them removed at the
end.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker import APIClient
from docker.errors import APIError

from grader.engines.base import RunLabels
from grader.engines.docker.errors import already_gone_is_fine, engine_call, logged
from grader.engines.handle import PodHandle
from grader.engines.labels import as_labels
from grader.errors import SandboxError

UNANSWERED_TRIES, UNANSWERED_S = 5, 0.2


class Made:
    """Safe to call from several threads."""

    def __init__(self, api: APIClient, labels: RunLabels) -> None:
        self._api, self._labels = api, as_labels(labels)
        self._prefix = (
            "seatrial-"
            + re.sub(r"[^a-zA-Z0-9]", "", labels.run_id)[:12]
            + "-"
            + secrets.token_hex(4)
        )
        self._containers: list[str] = []
        self._asked: set[str] = set()
        """Names of containers whose creation was asked for and not answered: an interrupt may fall
        in between.
        """
        self._volumes: list[str] = []
        self._lock = threading.Lock()
        self._closed = False

    def container(
        self,
        name: str,
        image: str,
        host_config: dict[str, Any],
        argv: list[str] | None,
        *,
        user: str,
        env: dict[str, str] | None = None,
        stdin: bool = False,
        hostname: str | None = None,
    ) -> str:
        """Create, not start.

        Raises SandboxError when the pod was destroyed meanwhile, and what the engine says.
        """
        full_name = f"{self._prefix}-{re.sub(r'[^a-zA-Z0-9_.-]', '_', name)}"
        self._asked.add(full_name)
        try:
            created = self._api.create_container(
                image,
                # As the entry point, so that nothing of the image's own is put before it.
                entrypoint=argv,
                hostname=hostname,
                user=user,
                environment=env,
                stdin_open=stdin,
                name=full_name,
                labels={**self._labels, "seatrial.party": name},
                host_config=host_config,
                healthcheck={"test": ["NONE"]},
                use_config_proxy=False,
            )
        except Exception:  # refused; an interrupt is none
            self._asked.discard(full_name)
            raise
        container = str(created["Id"])
        with self._lock:
            self._asked.discard(full_name)
            if not self._closed:
                self._containers.append(container)
                return container
        self._remove_container(container)
        raise SandboxError("the pod was destroyed meanwhile")

    def volume(self, name: str, options: dict[str, str]) -> str:
        """The name of a new volume of the ``local`` driver."""
        full_name = f"{self._prefix}-{name}"
        with self._lock:
            self._volumes.append(full_name)
        self._api.create_volume(full_name, "local", options, self._labels)
        return full_name

    @classmethod
    def adopted(cls, api: APIClient, handle: PodHandle) -> Made:
        """What another process made. From now on it is removed here, too."""
        made = cls(api, handle.labels)
        made._prefix = handle.prefix
        made._containers, made._volumes = list(handle.containers), list(handle.volumes)
        return made

    def told(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """(prefix of the names, containers, volumes)"""
        with self._lock:
            return self._prefix, tuple(self._containers), tuple(self._volumes)

    def close(self) -> None:
        """Nothing is made any more."""
        with self._lock:
            self._closed = True

    def remove(self) -> None:
        """Everything that was made. Never raises for what the engine says."""
        with self._lock:
            containers, self._containers = self._containers, []
            volumes, self._volumes = self._volumes, []
        if containers:
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(self._remove_container, containers))
        for name in sorted(self._asked):
            self._remove_unanswered(name)
        for volume in volumes:
            with logged("remove a volume"), engine_call("remove a volume"), already_gone_is_fine():
                self._api.remove_volume(volume, force=True)

    def _remove_unanswered(self, name: str) -> None:
        """The engine may be about to create it still; when it refused, there is nothing to wait
        for.
        """
        for _ in range(UNANSWERED_TRIES):
            try:
                self._api.remove_container(name, force=True, v=True)
                return
            except APIError:
                time.sleep(UNANSWERED_S)

    def _remove_container(self, container: str) -> None:
        with (
            logged("remove a container"),
            engine_call("remove a container"),
            already_gone_is_fine(),
        ):
            self._api.remove_container(container, force=True, v=True)
