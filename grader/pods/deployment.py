"""The deployment of one run: brings the pod of a plan up, and takes it down again."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from typing import Any

from grader.engines.base import BuildRequest, ImageRef, Pod, RunLabels, Sandbox
from grader.errors import EngineUnavailable, LearnerError, SandboxError, SeatrialError
from grader.job import GradingJob, Snapshot
from grader.lab import tree_digest
from grader.pods.lines import Asked, ProbeLine, SidecarLine
from grader.pods.plan import PROBE, Plan, app_parties, plan
from grader.wire.probe import KEY_HEADER, AwaitParties, Listening

SIDECARS_READY_S = 90.0


class Deployment:
    """Owns the pod. ``destroy`` never raises and may be called at any time."""

    def __init__(self, job: GradingJob, sandbox: Sandbox, labels: RunLabels) -> None:
        self.job, self.sandbox, self.labels = job, sandbox, labels
        self.spec = job.lab.spec
        self.usage_json = ""
        self.baseline_key = secrets.token_hex(16)
        self._pod: Pod | None = None
        self._probe: ProbeLine | None = None
        self._sidecars: dict[str, SidecarLine] = {}

    # -- coming up

    def open(self, cancelled: Asked) -> None:
        """Pod, sidecars, baseline and probe, all listening. Raises SandboxError or RunCancelled."""
        baseline = self._baseline_image() if self.spec.baseline else None
        made = plan(self.spec, self.job.seed, self.sandbox.image, baseline, self.baseline_key)
        self._pod = self.sandbox.open_pod(self.labels, made.hosts)
        for party in made.parties:
            self._pod.start(party)
        self._probe = ProbeLine(self._pod.open_channel(PROBE))
        self._greet(made, cancelled)
        self._await_listening(made, cancelled)

    def start_app(self, image: ImageRef) -> None:
        """The learner's service, each copy of it.

        Raises LearnerError when its image can't be started.
        """
        for party in app_parties(self.spec, image):
            self.pod.start(party)

    @property
    def pod(self) -> Pod:
        if self._pod is None:
            raise SandboxError("there is no pod")
        return self._pod

    @property
    def probe(self) -> ProbeLine:
        if self._probe is None:
            raise SandboxError("there is no probe")
        return self._probe

    def _baseline_image(self) -> ImageRef:
        files = self.job.lab.under("baseline")
        bases = {name: self.sandbox.image(name).id for name in self.spec.bases}
        digest = tree_digest(files)
        request = BuildRequest(
            Snapshot(files, digest), bases, self.labels, timeout_s=self.spec.limits.build_s
        )
        try:
            return self.sandbox.held_image(
                "-".join([digest[:24], *(i[-12:] for i in sorted(bases.values()))]), request
            )
        except LearnerError as error:
            tail = "".join(f"\n{line}" for line in getattr(error, "tail", ())[-20:])
            raise SandboxError(
                f"the lab's baseline does not build: {error.message}{tail}", error.advice
            ) from error

    def _greet(self, made: Plan, cancelled: Asked) -> None:
        for name, start in made.starts.items():
            line = self._sidecars[name] = SidecarLine(name, self.pod.open_channel(name))
            if not line.start(start, SIDECARS_READY_S, cancelled):
                raise SandboxError(f"sidecar {name} did not become ready: {self._tail(name)}")

    def _await_listening(self, made: Plan, cancelled: Asked) -> None:
        self.probe.send(AwaitParties(parties=made.awaited, timeout_s=SIDECARS_READY_S))
        if not made.awaited:
            return  # nobody to wait for: the probe's start-up and the learner's go on at the same time
        message = self.probe.receive(SIDECARS_READY_S + 30, cancelled)
        if not isinstance(message, Listening):
            raise SandboxError(f"the probe said {message.type} where it should say listening")
        if message.missing:
            raise SandboxError(
                f"{message.missing[0]} did not come up: {self._tail(message.missing[0])}"
            )
        if message.open:
            raise SandboxError(
                f"the lab's {message.open[0]} serves requests without {KEY_HEADER}",
                (
                    f"It has to answer 403 unless the header {KEY_HEADER} holds its $BASELINE_KEY: "
                    "learners could use it."
                ),
            )

    def _tail(self, name: str) -> str:
        return self.pod.logs(name, max_bytes=2000)[-1000:]

    def command(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        """One command to a sidecar that takes any, and its reply. Raises SandboxError."""
        if name not in self._sidecars:
            raise SandboxError(f"{name} takes no commands")
        return self._sidecars[name].command(payload)

    # -- the end

    def collect_usage(self) -> None:
        """What the engine said last about the learner's service:

        CPU seconds and peak memory. Does not wait for it.
        """
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
            return "".join(
                f"{name}: {line}\n" for name, log in logs.items() for line in log.splitlines()
            )[-max_bytes:]
        except (SeatrialError, EngineUnavailable, KeyError):
            return ""

    def engine_lost(self) -> bool:
        """Whether the pod that was opened does not stand any more: the engine stopped, or was
        started anew.
        """
        return self._pod is not None and not self._pod.is_whole()

    def destroy(self) -> None:
        for line in self._sidecars.values():
            line.close()
        if self._probe is not None:
            self._probe.close()
        if self._pod is not None:
            self._pod.destroy()
