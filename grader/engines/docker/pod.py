"""A pod on a Docker engine: a pause container owns the network namespace and everybody else joins
it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from docker import APIClient
from docker.errors import APIError, NotFound

from grader.engines.base import PartySpec, PartyState, RunLabels, Usage
from grader.engines.docker.build.text import neutralise
from grader.engines.docker.channel import DockerChannel
from grader.engines.docker.errors import GONE as GONE_STATUSES
from grader.engines.docker.errors import (
    already_gone_is_fine,
    cannot_start,
    engine_call,
    explain,
    learner_start,
)
from grader.engines.docker.logs import newest
from grader.engines.docker.made import Made
from grader.engines.docker.settings import (
    MIB,
    PAUSE_USER,
    USERS,
    USUAL_SHARES,
    data_volume_options,
    environment,
    keeper_host_config,
    party_host_config,
    pause_host_config,
    shares_of,
)
from grader.engines.docker.usage import UsageMeter
from grader.engines.docker.volume import DataVolume
from grader.engines.docker.wait import kill, wait_gone
from grader.engines.handle import PartyHandle, PodHandle
from grader.errors import SandboxError, SeatrialError

ENGINE = "docker"
PAUSE_COMMAND = ["sleep", "infinity"]
CANT_EXEC_WAIT_S = 0.15
UNANSWERED_TRIES, UNANSWERED_S = 5, 0.2
LOG = logging.getLogger(__name__)
LOG_LINES = 20_000
GONE = PartyState(running=False)


@dataclass(slots=True)
class Member:
    """A party and its container."""

    spec: PartySpec
    container: str
    meter: UsageMeter
    volume: DataVolume | None = None
    channel: DockerChannel | None = None


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
        self._host, self._api, self._labels = host, host.api, labels
        self._made = Made(self._api, labels)
        self._members: dict[str, Member] = {}
        try:
            with engine_call("open a pod"):
                self._pause = self._made.container(
                    "pause",
                    host.pause_image,
                    pause_host_config(self._api, hosts),
                    PAUSE_COMMAND,
                    user=PAUSE_USER,
                    hostname="pod",
                )
                self._api.start(self._pause)
        except SeatrialError:
            self.destroy()
            raise

    @classmethod
    def adopt(cls, host: Host, handle: PodHandle) -> DockerPod:
        """See ``Sandbox.adopt``."""
        pod = cls.__new__(cls)
        pod._host, pod._api, pod._labels = host, host.api, handle.labels
        pod._pause = handle.place
        pod._made = Made.adopted(host.api, handle)
        pod._members = {}
        if handle.engine != ENGINE or not pod.is_whole():
            raise SandboxError("the pod is gone")
        for name, party in handle.parties.items():
            pod._members[name] = pod._adopted(party)
        return pod

    def _adopted(self, party: PartyHandle) -> Member:
        spec, container = party.spec, party.container
        volume = None
        if party.volume:
            volume = DataVolume(self._api, party.volume, party.keeper, USERS[spec.role])
        member = Member(spec, container, UsageMeter(self._api, container), volume)
        if spec.interactive:
            member.channel = DockerChannel.attach(self._api, container, spec.name)
        if spec.role == "app":
            member.meter.follow()
        return member

    def describe(self) -> PodHandle:
        prefix, containers, volumes = self._made.told()
        parties = {
            name: PartyHandle(
                spec=member.spec,
                container=member.container,
                volume=member.volume.name if member.volume else "",
                keeper=member.volume.keeper if member.volume else "",
            )
            for name, member in self._members.items()
        }
        return PodHandle(
            engine=ENGINE,
            labels=self._labels,
            place=self._pause,
            prefix=prefix,
            containers=containers,
            volumes=volumes,
            parties=parties,
        )

    # -- coming up

    def start(self, party: PartySpec) -> None:
        if party.name in self._members:
            raise SandboxError(f"the pod already has a party {party.name!r}")
        explained = learner_start(party.name) if party.role == "app" else contextlib.nullcontext()
        with engine_call(f"start {party.name}"), explained:
            volume = self._data_volume(party)
            config = party_host_config(
                self._api,
                party,
                pause=self._pause,
                volumes=self._host.volumes_of(party.image.id),
                data=volume.name if volume else None,
                cpus=self._host.cpus,
            )
            argv = list(party.command) if party.command is not None else None
            container = self._made.container(
                party.name,
                party.image.id,
                config,
                argv,
                user=USERS[party.role],
                env=environment(party),
                stdin=party.interactive,
            )
            member = Member(party, container, UsageMeter(self._api, container), volume)
            self._launch(member)
            self._members[party.name] = member
            if volume is not None:
                volume.join()
        if party.role == "app":
            member.meter.follow()
            self._notice_cant_exec(member)

    def _launch(self, member: Member) -> None:
        """Attach first where there is a channel, so that no line is missed; then start."""
        if member.spec.interactive:
            if member.channel is not None:
                member.channel.close()
            member.channel = DockerChannel.attach(self._api, member.container, member.spec.name)
        self._api.start(member.container)

    def _data_volume(self, party: PartySpec) -> DataVolume | None:
        """The party's bounded /data, its keeper being started."""
        if not party.data_mb:
            return None
        user = USERS[party.role]
        name = self._made.volume(f"{party.name}-data", data_volume_options(party.data_mb, user))
        config = keeper_host_config(self._api, name, party.data_mb)
        image = self._host.pause_image
        keeper = self._made.container(
            f"{party.name}-keeper", image, config, PAUSE_COMMAND, user=user
        )
        return DataVolume(self._api, name, keeper, user).begin()

    def _notice_cant_exec(self, member: Member) -> None:
        """The init process tells only by its exit code that the program could not be run; a service
        needs longer than this to be ready, so nothing is lost by waiting for it.
        """
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
            try:
                self._api.pause(self._member(name).container)
            except APIError as error:
                if error.status_code == HTTPStatus.CONFLICT:
                    raise SandboxError(f"{name} does not run, so it can't be paused") from error
                raise

    def unpause(self, name: str) -> None:
        with engine_call(f"unpause {name}"):
            try:
                self._api.unpause(self._member(name).container)
            except APIError as error:
                if error.status_code not in (404, 409) and "not paused" not in explain(error):
                    raise

    def fill_data(self, name: str) -> None:
        self._volume(name).fill()

    def free_data(self, name: str) -> None:
        self._volume(name).free()

    def limit_memory(self, name: str, megabytes: int) -> bool:
        member, size = self._member(name), megabytes * MIB
        with engine_call(f"limit the memory of {name}"):
            try:
                self._api.update_container(member.container, mem_limit=size, memswap_limit=size)
            except APIError as error:
                # cgroup v1 refuses a limit below what is in use; cgroup v2 takes it and ends the
                # party.
                if "unable to set memory limit" in explain(error) or "busy" in explain(error):
                    return False
                raise
        return True

    def weigh_alike(self, name: str) -> None:
        self._weigh(name, USUAL_SHARES)

    def weigh_as_before(self, name: str) -> None:
        self._weigh(name, shares_of(self._member(name).spec.role))

    def _weigh(self, name: str, shares: int) -> None:
        with engine_call(f"weigh {name}"):
            self._api.update_container(self._member(name).container, cpu_shares=shares)

    def logs(self, name: str, *, max_bytes: int = 65536, since_s: float | None = None) -> str:
        member = self._member(name)
        if member.channel is not None:
            # Its standard output is the channel, and the engine keeps no log of it.
            return member.channel.stderr()[-max_bytes:]
        with engine_call(f"read the log of {name}"):
            try:
                stream = self._api.logs(
                    member.container, stream=True, follow=False, tail=LOG_LINES, since=since_s
                )
                return neutralise(newest(stream, max_bytes).decode("utf-8", "replace"))
            except APIError as error:
                # "dead or marked for removal" (409) is as gone as "no such container": there is
                # nothing to read.
                if error.status_code in GONE_STATUSES:
                    return ""
                raise

    def usage(self, name: str) -> Usage:
        member = self._member(name)
        with engine_call(f"measure {name}"):
            return member.meter.read()

    def seen_usage(self, name: str) -> Usage | None:
        return self._member(name).meter.seen

    def _member(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            raise SandboxError(f"the pod has no party {name!r}") from None

    def _volume(self, name: str) -> DataVolume:
        volume = self._member(name).volume
        if volume is None:
            raise SandboxError(f"{name} has no /data; give it one with data_mb")
        return volume

    # -- the end

    def is_whole(self) -> bool:
        try:
            with engine_call("look at the pod"):
                return bool(self._api.inspect_container(self._pause)["State"]["Running"])
        except SeatrialError as error:
            LOG.warning("the pod is lost: %s", error.message)
            return False

    def destroy(self) -> None:
        self._made.close()
        for member in self._members.values():
            if member.channel is not None:
                member.channel.close()
        self._made.remove()
