"""The engine's end of the line to the probe: readiness, results, and the control that checks ask
for.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Iterator

from grader.errors import NotReady, RunCancelled, SandboxError, SeatrialError
from grader.events import CheckFinished, CheckStarted, Event, EvidenceCollected, LogLine
from grader.job import GradingJob
from grader.pods import Deployment
from grader.pods.obey import EngineSide, obey
from grader.wire.probe import (
    CheckBegun,
    CheckBroke,
    CheckEnded,
    Control,
    Done,
    Listening,
    Log,
    NotReadyNow,
    ReadyNow,
    Reply,
    Start,
)

LOG = logging.getLogger(__name__)
SILENCE_MARGIN_S = 30.0


class Probing:
    """Drives the probe through one run."""

    def __init__(
        self, job: GradingJob, deployment: Deployment, cancelled: Callable[[], bool]
    ) -> None:
        self.job, self.deployment, self.cancelled = job, deployment, cancelled
        self.limits = job.lab.spec.limits

    def wait_ready(self) -> float:
        """Seconds until the service was ready.

        Raises NotReady with the reason that the probe found.
        """
        self.deployment.probe.send(self._start())
        deadline = time.monotonic() + self.limits.ready_s + SILENCE_MARGIN_S
        while True:
            message = self.deployment.probe.receive(deadline - time.monotonic(), self.cancelled)
            if isinstance(message, Listening):
                continue  # a pod without other parties: the answer was not waited for
            if isinstance(message, ReadyNow):
                return message.seconds
            if isinstance(message, NotReadyNow):
                raise NotReady(message.reason, message.advice)
            if isinstance(message, Control):
                self._obey(message)

    def events(self) -> Iterator[Event]:
        """Events of the rubric until the probe is done.

        Raises SandboxError when it falls silent.
        """
        deadline = time.monotonic() + self.limits.run_s + SILENCE_MARGIN_S
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise SandboxError("the probe did not finish within the run's time limit")
            message = self.deployment.probe.receive(left, self.cancelled)
            if isinstance(message, Done):
                return
            if isinstance(message, Control):
                self._obey(message)
            elif isinstance(message, CheckBegun):
                yield CheckStarted(criterion=message.criterion)
            elif isinstance(message, CheckEnded):
                yield CheckFinished(result=message.result)
            elif isinstance(message, CheckBroke):
                yield self._kept(message)
            elif isinstance(message, Log):
                yield LogLine(source="seatrial", text=message.text)

    def _kept(self, broke: CheckBroke) -> Event:
        """The traceback of a check of ours: in the worker's log for whoever runs this, and with the
        run.
        """
        LOG.error(
            "run %s: a check of %s failed in itself\n%s",
            self.job.run_id,
            broke.criterion,
            broke.trace,
        )
        name = f"fault-{broke.criterion}.log"
        return EvidenceCollected(
            name=name, media_type="text/plain", visibility="private", content=broke.trace
        )

    def _start(self) -> Start:
        lab, spec = self.job.lab, self.job.lab.spec
        parties = [*spec.sidecars, *([spec.baseline] if spec.baseline else [])]
        files = {
            str(path): base64.b64encode(file.data).decode()
            for path, file in lab.files.items()
            if path.parts[0] == "checks" or str(path) == spec.contract
        }
        return Start(
            spec=spec,
            seed=self.job.seed,
            ports={
                spec.service.name: spec.service.port,
                **spec.app_ports,
                **{p.name: p.port for p in parties},
            },
            files=files,
            baseline_key=self.deployment.baseline_key,
            only=sorted(self.job.only),
            deadline_s=spec.limits.run_s,
        )

    def _obey(self, control: Control) -> None:
        side = EngineSide(self.deployment.pod, self.limits.stop_grace_s, self.deployment.command)
        try:
            reply = Reply(id=control.id, ok=True, data=obey(side, control.request))
        except RunCancelled:
            raise
        except SeatrialError as error:
            reply = Reply(id=control.id, ok=False, error=str(error)[:500])
        self.deployment.probe.send(reply)
