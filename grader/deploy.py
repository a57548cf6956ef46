"""The deployment of one run: the pod, its sidecars, the baseline, the probe, and the learner's service."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from grader.errors import EngineUnavailable, LearnerError, RunCancelled, SandboxError, SeatrialError
from grader.job import GradingJob, Snapshot
from grader.probe.protocol import KEY_HEADER, UP, Awaited, AwaitParties, Fault, Listening, Up
from grader.sandbox.base import BuildRequest, Channel, ImageRef, PartySpec, Pod, RunLabels, Sandbox
from grader.sidecars import KINDS, haproxy
from grader.sidecars.base import config_of
from grader.spec import Replicas, Sidecar, tree_digest

PROBE = "probe"
PROBE_IMAGE = "seatrial/probe:1"
SIDECARS_READY_S = 90.0
COMMAND_TIMEOUT_S = 20.0
POLL_S = 0.5


class Deployment:
    """Owns the pod. ``destroy`` never raises and may be called at any time."""

    def __init__(self, job: GradingJob, sandbox: Sandbox, labels: RunLabels) -> None:
        self.job, self.sandbox, self.labels = job, sandbox, labels
        self.spec = job.lab.spec
        self.usage_json = ""
        self.baseline_key = secrets.token_hex(16)
        self._pod: Pod | None = None
        self._probe: Channel | None = None
        self._channels: dict[str, Channel] = {}
        self._command_id = 0

    # -- coming up

    def open(self, cancelled: Callable[[], bool]) -> None:
        """Pod, sidecars, baseline and probe, all listening. Raises SandboxError or RunCancelled."""
        parties = [*self.spec.sidecars, *([self.spec.baseline] if self.spec.baseline else [])]
        images = {s.name: self._image_of(s) for s in parties}
        # The learner's service comes first, so it has the first address; the probe needs no name.
        copies = tuple(self.spec.app_ports) if self.spec.replicas else ()
        hosts = (self.spec.service.name, *copies, *(s.name for s in parties))
        self._pod = self.sandbox.open_pod(self.labels, hosts)
        for sidecar in parties:
            self._pod.start(self._party(sidecar, images[sidecar.name]))
        if self.spec.replicas:
            self._start_balancer(self.spec.replicas)
        self._start_probe()
        for sidecar in parties:
            self._greet(sidecar, cancelled)
        self._await_listening(parties, cancelled)

    def start_app(self, image: ImageRef) -> None:
        """The learner's service, each copy of it. Raises LearnerError when its image can't be started."""
        env = dict(self.spec.service.env)
        for sidecar in self.spec.sidecars:
            env |= {k: v.format(host=sidecar.name, port=sidecar.port) for k, v in sidecar.app_env.items()}
        for number, (name, port) in enumerate(self.spec.app_ports.items(), 1):
            own = {"PORT": str(port), **({"REPLICA": str(number)} if self.spec.replicas else {})}
            self._start_copy(image, name, port, env | own)

    def _start_copy(self, image: ImageRef, name: str, port: int, env: dict[str, str]) -> None:
        limits = self.spec.limits
        self.pod.start(
            PartySpec(
                name=name,
                role="app",
                image=image,
                port=port,
                env=env,
                cpu=limits.cpu,
                memory_mb=limits.memory_mb,
                pids=limits.pids,
                tmp_mb=limits.tmp_mb,
                data_mb=limits.data_mb,
                stop_grace_s=limits.stop_grace_s,
            )
        )

    @property
    def pod(self) -> Pod:
        if self._pod is None:
            raise SandboxError("there is no pod")
        return self._pod

    @property
    def probe(self) -> Channel:
        if self._probe is None:
            raise SandboxError("there is no probe")
        return self._probe

    def _image_of(self, sidecar: Sidecar) -> ImageRef:
        if sidecar is not self.spec.baseline:
            return self.sandbox.image(KINDS[sidecar.kind].image)
        files = self.job.lab.under("baseline")
        bases = {name: self.sandbox.image(name).id for name in self.spec.bases}
        digest = tree_digest(files)
        request = BuildRequest(Snapshot(files, digest), bases, self.labels, timeout_s=self.spec.limits.build_s)
        try:
            return self.sandbox.held_image("-".join([digest[:24], *(i[-12:] for i in sorted(bases.values()))]), request)
        except LearnerError as error:
            tail = "".join(f"\n{line}" for line in getattr(error, "tail", ())[-20:])
            raise SandboxError(f"the lab's baseline does not build: {error.message}{tail}", error.advice) from error

    def _party(self, sidecar: Sidecar, image: ImageRef) -> PartySpec:
        env = {"PORT": str(sidecar.port), **sidecar.env}
        common: dict[str, Any] = {"cpu": sidecar.cpu, "memory_mb": sidecar.memory_mb, "port": sidecar.port}
        if sidecar is self.spec.baseline:
            limits = self.spec.limits
            common |= {"tmp_mb": limits.tmp_mb, "pids": limits.pids}
            env["BASELINE_KEY"] = self.baseline_key
            return PartySpec(name=sidecar.name, role="baseline", image=image, env=env, **common)
        kind = KINDS[sidecar.kind]
        return PartySpec(
            name=sidecar.name,
            role="sidecar",
            image=image,
            command=kind.command,
            env={**env, **kind.env(sidecar)},
            interactive=kind.interactive,
            tmp_mb=kind.tmp_mb,
            data_mb=kind.data_mb,
            pids=kind.pids,
            **common,
        )

    def _start_balancer(self, replicas: Replicas) -> None:
        service = self.spec.service
        self.pod.start(
            PartySpec(
                name=service.name,
                role="sidecar",
                image=self.sandbox.image(haproxy.IMAGE),
                command=haproxy.COMMAND,
                port=service.port,
                env=haproxy.balancer_env(self.spec),
                cpu=replicas.balancer_cpu,
                memory_mb=replicas.balancer_memory_mb,
            )
        )

    def _start_probe(self) -> None:
        image = self.sandbox.image(PROBE_IMAGE)
        command = ("python", "-m", "grader.probe")
        # Half a core on top of the learner's share; short bursts of oracle work need the memory.
        self.pod.start(
            PartySpec(PROBE, "probe", image, command=command, cpu=0.8, memory_mb=1024, pids=256, interactive=True)
        )
        self._probe = self.pod.open_channel(PROBE)

    def _greet(self, sidecar: Sidecar, cancelled: Callable[[], bool]) -> None:
        if sidecar is self.spec.baseline or not KINDS[sidecar.kind].interactive:
            return
        channel = self._channels[sidecar.name] = self.pod.open_channel(sidecar.name)
        config = config_of(KINDS[sidecar.kind], sidecar)
        start = {"type": "start", "seed": self.job.seed, "name": sidecar.name, "port": sidecar.port, "config": config}
        channel.send(json.dumps(start))
        waited = 0.0
        while (line := channel.receive(POLL_S)) is None:
            waited += POLL_S
            if cancelled():
                raise RunCancelled("The run was cancelled.")
            if waited > SIDECARS_READY_S:
                raise SandboxError(f"sidecar {sidecar.name} did not become ready: {self._tail(sidecar.name)}")
        if json.loads(line).get("type") != "ready":
            raise SandboxError(f"sidecar {sidecar.name} answered {line[:200]!r}")

    def _await_listening(self, parties: list[Sidecar], cancelled: Callable[[], bool]) -> None:
        wanted = {
            s.name: Awaited(port=s.port, ready_path="/readyz", closed=True)
            if s is self.spec.baseline
            else Awaited(port=s.port)
            for s in parties
        }
        self.probe.send(AwaitParties(parties=wanted, timeout_s=SIDECARS_READY_S).model_dump_json())
        if not parties:
            return  # nobody to wait for: the probe's start-up and the learner's go on at the same time
        message = self.from_probe(SIDECARS_READY_S + 30, cancelled)
        if not isinstance(message, Listening):
            raise SandboxError(f"the probe said {message.type} where it should say listening")
        if message.missing:
            raise SandboxError(f"{message.missing[0]} did not come up: {self._tail(message.missing[0])}")
        if message.open:
            raise SandboxError(
                f"the lab's {message.open[0]} serves requests without {KEY_HEADER}",
                f"It has to answer 403 unless the header {KEY_HEADER} holds its $BASELINE_KEY: learners could use it.",
            )

    def _tail(self, name: str) -> str:
        return self.pod.logs(name, max_bytes=2000)[-1000:]

    # -- talking

    def from_probe(self, timeout_s: float, cancelled: Callable[[], bool]) -> Up:
        """The probe's next message. Raises SandboxError on a fault or silence, RunCancelled on request."""
        waited = 0.0
        while (line := self.probe.receive(POLL_S)) is None:
            waited += POLL_S
            if cancelled():
                raise RunCancelled("The run was cancelled.")
            if waited > timeout_s:
                raise SandboxError(f"the probe said nothing for {timeout_s:g} s")
        message = UP.validate_json(line)
        if isinstance(message, Fault):
            raise SandboxError(f"a check failed in itself:\n{message.message}")
        return message

    def command(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        """One command to an interactive sidecar, and its reply. Raises SandboxError."""
        channel = self._channels.get(name)
        if channel is None:
            raise SandboxError(f"{name} takes no commands")
        self._command_id += 1
        channel.send(json.dumps({"type": "command", "id": self._command_id, "payload": payload}))
        while (line := channel.receive(COMMAND_TIMEOUT_S)) is not None:
            reply = json.loads(line)
            if reply.get("type") == "reply" and reply.get("id") == self._command_id:
                if not reply.get("ok"):
                    raise SandboxError(f"{name}: {reply.get('error') or reply.get('data')}")
                data: dict[str, Any] = reply.get("data", {})
                return data
        raise SandboxError(f"{name} did not answer a command within {COMMAND_TIMEOUT_S:g} s")

    # -- the end

    def collect_usage(self) -> None:
        """What the engine said last about the learner's service: CPU seconds and peak memory. Does not wait for it."""
        seen = {name: self.pod.seen_usage(name) for name in self.spec.app_ports}
        told = {name: asdict(usage) for name, usage in seen.items() if usage is not None}
        if told:
            self.usage_json = json.dumps(told)

    def app_log(self, max_bytes: int) -> str:
        """The end of the service's own output; empty when there is none to be had."""
        if self._pod is None:
            return ""
        try:
            logs = {name: self._pod.logs(name, max_bytes=max_bytes) for name in self.spec.app_ports}
            if len(logs) == 1:
                return next(iter(logs.values()))
            return "".join(f"{name}: {line}\n" for name, log in logs.items() for line in log.splitlines())[-max_bytes:]
        except (SeatrialError, EngineUnavailable, KeyError):
            return ""

    def engine_lost(self) -> bool:
        """Whether the pod that was opened does not stand any more: the engine stopped, or was started anew."""
        return self._pod is not None and not self._pod.is_whole()

    def destroy(self) -> None:
        for channel in (*self._channels.values(), *([self._probe] if self._probe else [])):
            channel.close()
        if self._pod is not None:
            self._pod.destroy()
