"""The recorder bounds, cleans and fences what it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from grader.events import CheckFinished, EvidenceCollected, LogLine, PhaseStarted
from grader.result import RunResult
from storage import blobs
from submissions import leases, recorder
from submissions.models import GradingRun
from submissions.recorder import Recorder
from submissions.scrub import clean

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(ada: Any, make_run: Callable[..., GradingRun]) -> GradingRun:
    make_run(ada)
    run = leases.claim("w")
    assert run is not None
    return run


def test_events_keep_their_order_and_log_lines_wait_for_a_batch(run: GradingRun) -> None:
    writer = Recorder(run.pk, run.fence)
    writer.record(LogLine(source="build", text="one"))
    assert not run.events.exists()
    writer.record(PhaseStarted(phase="deploy"))
    writer.record(LogLine(source="app", text="two"))
    writer.flush()
    assert [e.payload.get("text", e.payload.get("phase")) for e in run.events.all()] == [
        "one",
        "deploy",
        "two",
    ]
    seqs = list(run.events.values_list("seq", flat=True))
    assert seqs == sorted(set(seqs))


def test_a_later_try_counts_on_from_higher_numbers(run: GradingRun) -> None:
    first = Recorder(run.pk, run.fence)
    first.record(PhaseStarted(phase="build"))
    before = run.events.latest("seq").seq
    GradingRun.objects.filter(pk=run.pk).update(fence=run.fence + 2)
    Recorder(run.pk, run.fence + 2).record(PhaseStarted(phase="build"))
    assert run.events.latest("seq").seq > before + 1000


def test_the_log_is_bounded(run: GradingRun) -> None:
    writer = Recorder(run.pk, run.fence)
    for n in range(recorder.MAX_LOG_LINES + 500):
        writer.record(LogLine(source="app", text=f"{n} " + "x" * 5000))
    writer.flush()
    lines = [e.payload for e in run.events.all()]
    assert len(lines) == recorder.MAX_LOG_LINES + 1
    assert lines[-1]["truncated"] is True
    assert max(len(line["text"]) for line in lines) <= recorder.MAX_LINE


def test_results_are_stored_clean(run: GradingRun, failed_result: RunResult) -> None:
    writer = Recorder(run.pk, run.fence)
    for result in failed_result.criteria:
        writer.record(CheckFinished(result=result))
    rows = {r.criterion: r for r in run.check_results.all()}
    assert (rows["contract"].points, rows["fast"].outcome) == (40, "failed")
    assert rows["fast"].model.measured.value == 3.1
    stored = json.dumps(rows["fast"].payload, ensure_ascii=False)
    assert "\x1b" not in stored
    assert "\\u001b" not in stored
    assert "\\u0000" not in stored


def test_evidence_is_stored_by_content_and_cannot_name_a_path(run: GradingRun) -> None:
    writer = Recorder(run.pk, run.fence)
    writer.record(
        EvidenceCollected(
            name="../../app.log", media_type="text/html", visibility="private", content="hi\x00"
        )
    )
    item = run.evidence.get()
    assert "/" not in item.name
    assert blobs.get(item.blob) == "hi\ufffd".encode()


def test_evidence_is_bounded_in_number(run: GradingRun) -> None:
    writer = Recorder(run.pk, run.fence)
    for n in range(recorder.MAX_EVIDENCE + 5):
        writer.record(
            EvidenceCollected(
                name=f"{n}", media_type="text/plain", visibility="reviewer", content="x"
            )
        )
    assert run.evidence.count() == recorder.MAX_EVIDENCE


def test_a_late_worker_writes_nothing(run: GradingRun, failed_result: RunResult) -> None:
    writer = Recorder(run.pk, run.fence)
    GradingRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    with pytest.raises(leases.LeaseLost):
        writer.record(CheckFinished(result=failed_result.criteria[0]))
    assert not run.events.exists()
    assert not run.check_results.exists()


def test_clean_takes_out_what_a_database_or_a_parser_refuses() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    dirty = {
        "a\x00": float("nan"),
        "b": float("inf"),
        "c": ["\ud800", "ok\n\t", "\u202egnp"],
        "d": deep,
    }
    out = clean(dirty)
    assert out["a\ufffd"] is None
    assert out["b"] is None
    assert out["c"] == ["\ufffd", "ok\n\t", "\ufffdgnp"]
    json.dumps(out, allow_nan=False).encode()
