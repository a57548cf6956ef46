"""From engine events to rows.

Log lines are written in batches and bounded; every write is fenced.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from grader.events import CheckFinished, Event, EvidenceCollected, LogLine
from storage import blobs
from submissions import leases
from submissions.models import CheckResult, Evidence, RunEvent
from submissions.scrub import clean, clean_text

MAX_LOG_LINES = 2000
MAX_LINE = 1000
BATCH = 100
MAX_EVIDENCE = 40
MAX_EVIDENCE_BYTES = 8 * 1024 * 1024
SEQ_SPAN = 1_000_000
"""Sequence numbers of one fence: those of a later try are always higher, so a page that resumes
misses nothing.
"""


class Recorder:
    """Writes what one try of a run reports.

    ``record`` and ``flush`` may be called from two threads.

    Both raise leases.LeaseLost when the run belongs to somebody else by now.
    """

    def __init__(self, run_id: int, fence: int) -> None:
        self.run_id, self.fence = run_id, fence
        self._seq = fence * SEQ_SPAN
        self._lines = 0
        self._evidence = 0
        self._pending: list[RunEvent] = []
        self._lock = threading.Lock()

    def record(self, event: Event) -> None:
        """Take one event.

        Log lines wait for a batch or the next flush; everything else is written at once.
        """
        with self._lock:
            if isinstance(event, LogLine):
                self._log(event)
                if len(self._pending) >= BATCH:
                    self._write()
                return
            if isinstance(event, CheckFinished):
                self._add(
                    {
                        "type": event.type,
                        "criterion": event.result.criterion,
                        "outcome": event.result.outcome,
                    }
                )
                self._write(self._check_row(event))
            elif isinstance(event, EvidenceCollected):
                self._take(event)
            elif event.type != "run_finished":
                self._add(event.model_dump(mode="json"))
                self._write()

    def flush(self) -> None:
        """Write the log lines that wait."""
        with self._lock:
            self._write()

    def _add(self, payload: dict[str, Any]) -> None:
        self._seq += 1
        self._pending.append(RunEvent(run_id=self.run_id, seq=self._seq, payload=clean(payload)))

    def _log(self, event: LogLine) -> None:
        self._lines += 1
        if self._lines <= MAX_LOG_LINES:
            self._add({**event.model_dump(mode="json"), "text": event.text[:MAX_LINE]})
        elif self._lines == MAX_LOG_LINES + 1:
            text = f"The log was cut here: a run keeps {MAX_LOG_LINES:,} lines."
            self._add(
                {
                    "type": "log",
                    "source": "seatrial",
                    "level": "warn",
                    "text": text,
                    "truncated": True,
                }
            )

    def _write(self, *rows: CheckResult | Evidence) -> None:
        if not self._pending and not rows:
            return
        with leases.holding(self.run_id, self.fence):
            RunEvent.objects.bulk_create(self._pending)
            for row in rows:
                row.save(force_insert=True)
        self._pending = []

    def _check_row(self, event: CheckFinished) -> CheckResult:
        result = event.result
        return CheckResult(
            run_id=self.run_id,
            criterion=result.criterion[:48],
            outcome=result.outcome.value,
            points=result.points,
            payload=clean(result.model_dump(mode="json")),
        )

    def _take(self, event: EvidenceCollected) -> None:
        self._evidence += 1
        if self._evidence > MAX_EVIDENCE:
            return
        data = clean_text(event.content).encode()[:MAX_EVIDENCE_BYTES]
        digest = hashlib.sha256(data).hexdigest()
        row = Evidence(
            run_id=self.run_id,
            name=clean_text(event.name).replace("/", "-")[:80],
            media_type=event.media_type[:80],
            visibility=event.visibility,
            digest=digest,
            blob=blobs.put(data),
            size=len(data),
        )
        self._write(row)
