"""One run, from snapshot to verdict, as a generator of typed events. Tears down in every case."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator

from grader import __version__
from grader.engines.base import BuildRequest, ImageRef, RunLabels, Sandbox
from grader.errors import EngineUnavailable, LearnerError, RunCancelled, SeatrialError
from grader.events import (
    CheckFinished,
    Event,
    EvidenceCollected,
    LogLine,
    Phase,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
)
from grader.evidence import HISTOGRAMS, Histograms
from grader.job import GradingJob
from grader.pods import Deployment, images_of
from grader.result import CheckResult, RunResult, Verdict
from grader.runs.follow import follow
from grader.runs.probing import Probing
from grader.verdict import not_judged, score_of, verdict_of

LOG = logging.getLogger(__name__)
LEASE_MARGIN_S = 300
TAIL_BYTES = 65536
ASK_EVERY_S = 0.5


def run(job: GradingJob, sandbox: Sandbox, *, installation: str) -> Generator[Event, None, None]:
    """Grade one job.

    The last event is always RunFinished; closing the generator tears everything down.

    Raises EngineUnavailable only when the engine does not answer before anything was started, so
    that the caller can keep the run in its queue.
    """
    return _Run(job, _checked(job, sandbox), installation).events()


def run_to_end(
    job: GradingJob, sandbox: Sandbox, *, installation: str, on_event: Callable[[Event], None]
) -> RunResult:
    """Run one job and hand every event on.

    Whatever interrupts it (Ctrl-C too), the pod is torn down first.
    """
    events = _Run(job, _checked(job, sandbox), installation).events()
    try:
        for event in events:
            on_event(event)
            if isinstance(event, RunFinished):
                return event.result
    finally:
        events.close()
    raise AssertionError("the engine ended without a result")


def _checked(job: GradingJob, sandbox: Sandbox) -> Sandbox:
    """The sandbox, once the engine answers and holds every image that the run needs.

    Raises EngineUnavailable.
    """
    sandbox.check()
    for name in images_of(job.lab.spec):
        sandbox.image(name)
    return sandbox


class _Run:
    """The state of one run while it goes on."""

    def __init__(self, job: GradingJob, sandbox: Sandbox, installation: str) -> None:
        self.job, self.sandbox = job, sandbox
        limits = job.lab.spec.limits
        expires = (
            int(time.time()) + limits.build_s * 2 + limits.ready_s + limits.run_s + LEASE_MARGIN_S
        )
        self.labels = RunLabels(job.run_id, job.fence, installation, expires)
        self.stop = threading.Event()
        self.began = time.monotonic()
        self.results: list[CheckResult] = []
        self.histograms = Histograms()
        self.image: ImageRef | None = None
        self.build_log: list[str] = []
        self.failed_phase: tuple[Phase, float] | None = None
        self.ask_again = 0.0
        self.was_cancelled = False
        self.engine_lost = False

    def cancelled(self) -> bool:
        """Asked often; the caller's own answer may cost a query and is asked for at most twice a
        second.
        """
        if time.monotonic() > self.ask_again:
            self.ask_again = time.monotonic() + ASK_EVERY_S
            self.was_cancelled = self.job.cancelled()
        return self.stop.is_set() or self.was_cancelled

    def _engine_is_away(self) -> bool:
        """A build that breaks off because the engine stops looks like one that failed."""
        try:
            self.sandbox.check()
        except EngineUnavailable:
            return True
        return False

    def events(self) -> Generator[Event, None, None]:
        deployment = Deployment(self.job, self.sandbox, self.labels)
        verdict, reason, advice = Verdict.ERRORED, "", ""
        try:
            yield from self._build()
            yield from self._deploy_and_grade(deployment)
            verdict = verdict_of(self.job.lab.spec.rubric, self.results, chosen=bool(self.job.only))
            if verdict is Verdict.ERRORED:
                reason, advice = (
                    not_judged(self.results),
                    "This is our fault; it costs no attempt. Grade again.",
                )
        except LearnerError as error:
            verdict, reason, advice = Verdict.NOT_GRADABLE, error.message, error.advice
            self.engine_lost = self._engine_is_away()
        except RunCancelled as error:
            verdict, reason, advice = Verdict.CANCELLED, error.message, error.advice
        except EngineUnavailable as error:
            reason, self.engine_lost = error.message, True
        except SeatrialError as error:
            reason, advice = (
                error.message,
                error.advice or "This is our fault; it costs no attempt. Grade again.",
            )
        except (
            Exception
        ) as error:  # a defect of ours must still end in a verdict and a clean engine
            LOG.exception("run %s failed in itself", self.job.run_id)
            reason = f"Seatrial itself failed: {type(error).__name__}: {error}"
            advice = "This is our fault; it costs no attempt. Grade again."
        finally:
            # Also on GeneratorExit, where nothing may be yielded any more.
            app_log = deployment.app_log(TAIL_BYTES)
            if verdict is not Verdict.CANCELLED and (self.engine_lost or deployment.engine_lost()):
                self.engine_lost, verdict = True, Verdict.ERRORED
                reason = f"The container engine went away during the run. {reason}".strip()
                advice = (
                    "This is our fault; it costs no attempt. Grade again once the engine answers."
                )
            self.stop.set()
            began = time.monotonic()
            deployment.destroy()
            if self.image is not None:
                self.sandbox.remove_image(self.image)
            teardown_s = time.monotonic() - began
        yield from self._last_words(app_log, deployment, reason, teardown_s)
        yield RunFinished(result=self._result(verdict, reason, advice))

    def _last_words(
        self, app_log: str, deployment: Deployment, reason: str, teardown_s: float
    ) -> Iterator[Event]:
        if self.failed_phase is not None:
            phase, began = self.failed_phase
            yield PhaseFinished(
                phase=phase, ok=False, seconds=round(time.monotonic() - began, 3), message=reason
            )
        yield PhaseStarted(phase="teardown")
        yield PhaseFinished(phase="teardown", ok=True, seconds=round(teardown_s, 3))
        for line in app_log.splitlines()[-200:]:
            yield LogLine(source="app", text=line[:1000])
        if app_log:
            yield EvidenceCollected(
                name="app.log", media_type="text/plain", visibility="private", content=app_log
            )
        if self.build_log:
            text = "\n".join(self.build_log)
            yield EvidenceCollected(
                name="build.log", media_type="text/plain", visibility="private", content=text
            )
        for name, content in (
            ("usage.json", deployment.usage_json),
            (HISTOGRAMS, self.histograms.text()),
        ):
            if content:
                yield EvidenceCollected(
                    name=name, media_type="application/json", visibility="reviewer", content=content
                )

    def _result(self, verdict: Verdict, reason: str, advice: str) -> RunResult:
        graded = verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE)
        return RunResult(
            lab=self.job.lab.spec.id,
            lab_version=self.job.lab.digest,
            grader_version=__version__,
            seed=self.job.seed,
            verdict=verdict,
            score=score_of(self.job.lab.spec.rubric, self.results) if graded else 0,
            reason=reason,
            advice=advice,
            criteria=self.results,
            image_digest=self.image.id if self.image else "",
            seconds=round(time.monotonic() - self.began, 3),
            engine_lost=self.engine_lost,
        )

    def _phase(self, phase: Phase) -> PhaseStarted:
        self.failed_phase = (phase, time.monotonic())
        return PhaseStarted(phase=phase)

    def _phase_done(self, message: str = "") -> PhaseFinished:
        assert self.failed_phase is not None
        phase, began = self.failed_phase
        self.failed_phase = None
        return PhaseFinished(
            phase=phase, ok=True, seconds=round(time.monotonic() - began, 3), message=message
        )

    def _build(self) -> Generator[Event, None, None]:
        yield self._phase("build")
        spec = self.job.lab.spec

        def build(emit: Callable[[str], None]) -> ImageRef:
            request = BuildRequest(
                snapshot=self.job.snapshot,
                bases=self.sandbox.bases(spec.bases, emit),
                labels=self.labels,
                timeout_s=spec.limits.build_s,
            )
            return self.sandbox.build(request, emit, self.cancelled)

        lines = follow(build, self.stop)
        try:
            while True:
                line = next(lines)
                self.build_log.append(line)
                yield LogLine(source="build", text=line[:1000])
        except StopIteration as end:
            self.image = end.value
        finally:
            lines.close()
        self.stop.clear()
        yield self._phase_done()

    def _deploy_and_grade(self, deployment: Deployment) -> Generator[Event, None, None]:
        assert self.image is not None
        yield self._phase("deploy")
        deployment.open(self.cancelled)
        deployment.start_app(self.image)
        yield self._phase_done()
        yield self._phase("ready")
        probing = Probing(self.job, deployment, self.cancelled)
        seconds = probing.wait_ready()
        yield self._phase_done(f"ready after {seconds:.1f} s")
        yield self._phase("grade")
        for event in probing.events():
            if event.type == "check_finished":
                event = CheckFinished(result=self.histograms.taken_from(event.result))
                self.results.append(event.result)
            yield event
        deployment.collect_usage()
        yield self._phase_done()
