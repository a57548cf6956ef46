"""A pod on a Docker engine: a pause container owns the network namespace and everybody else joins it."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from grader.build.text import neutralise
from grader.errors import SandboxError, SeatrialError
from grader.sandbox.base import PartySpec, PartyState, RunLabels, Usage
from grader.sandbox.docker_channel import DockerChannel
from grader.sandbox.docker_errors import (
    already_gone_is_fine,
    cannot_start,
    engine_call,
    explain,
    learner_start,
    logged,
)
from grader.sandbox.docker_logs import newest
from grader.sandbox.docker_settings import (
    USER,
    data_volume_options,
    environment,
    keeper_host_config,
    party_host_config,
    pause_host_config,
)
from grader.sandbox.docker_wait import kill, wait_gone
from grader.sandbox.labels import as_labels

LOG = logging.getLogger(__name__)
PAUSE_COMMAND = ["sleep", "infinity"]
CANT_EXEC_WAIT_S = 0.15
UNANSWERED_TRIES, UNANSWERED_S = 5, 0.2
LOG_LINES = 20_000
GONE = PartyState(running=False)


@dataclass(slots=True)
class Member:
    """A party and its container."""

    spec: PartySpec
    container: str
    channel: DockerChannel | None = None
    usage: Usage = field(default_factory=lambda: Usage(0.0, 0))


@dataclass(frozen=True, slots=True)
class Host:
    """What a pod has to know about its engine."""

    api: APIClient
    cpus: int
    pause_image: str
    volumes_of: Callable[[str], tuple[str, ...]]
    """VOLUME paths of an image, by its id."""


class DockerPod:
    """Implements ``Pod``. Safe to call from several threads."""

    def __init__(self, host: Host, labels: RunLabels, hosts: tuple[str, ...]) -> None:
        self._host, self._api = host, host.api
        self._labels = as_labels(labels)
        self._prefix = "seatrial-" + re.sub(r"[^a-zA-Z0-9]", "", labels.run_id)[:12] + "-" + secrets.token_hex(4)
        self._members: dict[str, Member] = {}
        self._containers: list[str] = []
        self._asked: set[str] = set()
        """Names of containers whose creation was asked for and not answered: an interrupt may fall in between."""
        self._volumes: list[str] = []
        self._lock = threading.Lock()
        self._closed = False
        try:
            with engine_call("open a pod"):
                self._pause = self._create(
                    "pause", host.pause_image, pause_host_config(self._api, hosts), PAUSE_COMMAND, hostname="pod"
                )
                self._api.start(self._pause)
        except SeatrialError:
            self.destroy()
            raise

    # -- coming up

    def start(self, party: PartySpec) -> None:
        if party.name in self._members:
            raise SandboxError(f"the pod already has a party {party.name!r}")
        explained = learner_start(party.name) if party.role == "app" else contextlib.nullcontext()
        with engine_call(f"start {party.name}"), explained:
            data, keeper = self._data_volume(party)
            config = party_host_config(
                self._api,
                party,
                pause=self._pause,
                volumes=self._host.volumes_of(party.image.id),
                data=data,
                cpus=self._host.cpus,
            )
            argv = list(party.command) if party.command is not None else None
            container = self._create(
                party.name, party.image.id, config, argv, env=environment(party), stdin=party.interactive
            )
            member = Member(party, container)
            self._launch(member)
            self._members[party.name] = member
            if keeper is not None:
                keeper.join()
        if party.role == "app":
            self._notice_cant_exec(member)

    def _create(
        self,
        name: str,
        image: str,
        host_config: dict[str, Any],
        argv: list[str] | None,
        *,
        env: dict[str, str] | None = None,
        stdin: bool = False,
        hostname: str | None = None,
    ) -> str:
        full_name = f"{self._prefix}-{re.sub(r'[^a-zA-Z0-9_.-]', '_', name)}"
        self._asked.add(full_name)
        try:
            created = self._api.create_container(
                image,
                # As the entry point, so that nothing of the image's own is put before it.
                entrypoint=argv,
                hostname=hostname,
                user=USER,
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

    def _launch(self, member: Member) -> None:
        """Attach first where there is a channel, so that no line is missed; then start."""
        if member.spec.interactive:
            if member.channel is not None:
                member.channel.close()
            member.channel = DockerChannel.attach(self._api, member.container, member.spec.name)
        self._api.start(member.container)

    def _data_volume(self, party: PartySpec) -> tuple[str | None, threading.Thread | None]:
        """The party's bounded /data, and the thread that starts the container which keeps it mounted."""
        if not party.data_mb:
            return None, None
        name = f"{self._prefix}-{party.name}-data"
        with self._lock:
            self._volumes.append(name)
        self._api.create_volume(name, "local", data_volume_options(party.data_mb), self._labels)
        keeper = self._create(
            f"{party.name}-keeper", self._host.pause_image, keeper_host_config(self._api, name), PAUSE_COMMAND
        )
        thread = threading.Thread(target=self._start_keeper, args=(keeper,), daemon=True)
        thread.start()
        return name, thread

    def _start_keeper(self, keeper: str) -> None:
        try:
            with engine_call("keep /data"):
                self._api.start(keeper)
        except SeatrialError as error:
            LOG.warning("%s", error.message)

    def _notice_cant_exec(self, member: Member) -> None:
        """The init process tells only by its exit code that the program could not be run; a service needs longer
        than this to be ready, so nothing is lost by waiting for it."""
        if not wait_gone(self._api, member.container, CANT_EXEC_WAIT_S):
            return
        output = self.logs(member.spec.name, max_bytes=2000)
        if self.state(member.spec.name).exit_code in (126, 127) and "[FATAL" in output:
            raise cannot_start(output.strip().splitlines()[-1][:300])

    # -- watching and steering

    def open_channel(self, name: str) -> DockerChannel:
        channel = self._member(name).channel
        if channel is None:
            raise SandboxError(f"{name} is not interactive")
        return channel

    def state(self, name: str) -> PartyState:
        container = self._member(name).container
        with engine_call(f"look at {name}"):
            try:
                state = self._api.inspect_container(container)["State"]
            except NotFound:
                return GONE
        return PartyState(
            running=bool(state["Running"]),
            exit_code=None if state["Running"] else int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            paused=bool(state["Paused"]),
        )

    def signal(self, name: str, signal: str) -> None:
        if not re.fullmatch(r"SIG[A-Z0-9]{2,12}", signal):
            raise SandboxError(f"{signal!r} is not the name of a signal")
        with engine_call(f"signal {name}"), already_gone_is_fine():
            self._api.kill(self._member(name).container, signal)

    def stop(self, name: str, grace_s: float) -> PartyState:
        container = self._member(name).container
        self.unpause(name)
        self.signal(name, "SIGTERM")
        if not wait_gone(self._api, container, grace_s):
            kill(self._api, container)
        return self.state(name)

    def restart(self, name: str) -> None:
        member = self._member(name)
        with engine_call(f"restart {name}"):
            kill(self._api, member.container)
            self._launch(member)

    def pause(self, name: str) -> None:
        with engine_call(f"pause {name}"):
            self._api.pause(self._member(name).container)

    def unpause(self, name: str) -> None:
        with engine_call(f"unpause {name}"):
            try:
                self._api.unpause(self._member(name).container)
            except APIError as error:
                if error.status_code not in (404, 409) and "not paused" not in explain(error):
                    raise

    def logs(self, name: str, *, max_bytes: int = 65536, since_s: float | None = None) -> str:
        member = self._member(name)
        if member.channel is not None:
            # Its standard output is the channel, and the engine keeps no log of it.
            return member.channel.stderr()[-max_bytes:]
        with engine_call(f"read the log of {name}"):
            try:
                stream = self._api.logs(member.container, stream=True, follow=False, tail=LOG_LINES, since=since_s)
                return neutralise(newest(stream, max_bytes).decode("utf-8", "replace"))
            except NotFound:
                return ""

    def usage(self, name: str) -> Usage:
        member = self._member(name)
        with engine_call(f"measure {name}"):
            stats = self._api.stats(member.container, stream=False, one_shot=True)
        memory = stats.get("memory_stats") or {}
        if memory:  # a stopped party has none, and what was seen before still holds
            cpu_ns = int(stats["cpu_stats"]["cpu_usage"]["total_usage"])
            # cgroup v2 tells no peak through this API, so ours is the highest that was seen.
            peak = max(member.usage.memory_peak_bytes, int(memory.get("max_usage") or 0), int(memory.get("usage") or 0))
            member.usage = Usage(cpu_ns / 1e9, peak)
        return member.usage

    def _member(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            raise SandboxError(f"the pod has no party {name!r}") from None

    # -- the end

    def destroy(self) -> None:
        with self._lock:
            self._closed = True
            containers, self._containers = self._containers, []
            volumes, self._volumes = self._volumes, []
        for member in self._members.values():
            if member.channel is not None:
                member.channel.close()
        if containers:
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(self._remove_container, containers))
        for name in sorted(self._asked):
            self._remove_unanswered(name)
        for volume in volumes:
            with logged("remove a volume"), engine_call("remove a volume"), already_gone_is_fine():
                self._api.remove_volume(volume, force=True)

    def _remove_unanswered(self, name: str) -> None:
        """The engine may be about to create it still; when it refused, there is nothing to wait for."""
        for _ in range(UNANSWERED_TRIES):
            try:
                self._api.remove_container(name, force=True, v=True)
                return
            except APIError:
                time.sleep(UNANSWERED_S)

    def _remove_container(self, container: str) -> None:
        with logged("remove a container"), engine_call("remove a container"), already_gone_is_fine():
            self._api.remove_container(container, force=True, v=True)
