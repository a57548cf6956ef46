"""What load says about a fault: the share of right answers while it lasted, and how long the
recovery took.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.load.metrics import Samples
from grader.result import Mark, Series

CONSECUTIVE = 10
BIN_S = 0.5


def share_right(samples: Samples, start_s: float, end_s: float) -> tuple[float, int]:
    """(share of right answers, number) of the requests that were due in [start, end); share 1.0 of
    none.
    """
    inside = [
        not error
        for due, error in zip(samples.due, samples.error, strict=True)
        if start_s <= due < end_s
    ]
    return (sum(inside) / len(inside) if inside else 1.0), len(inside)


def recovery_s(samples: Samples, end_s: float, consecutive: int = CONSECUTIVE) -> float | None:
    """Seconds from the end of a fault to the first of ``consecutive`` right answers in a row;

    None: not recovered.

    Requests count by when they were due, so answers that were still owed from the fault don't look
    like recovery.
    """
    run_began: float | None = None
    length = 0
    for due, error in zip(samples.due, samples.error, strict=True):
        if due < end_s:
            continue
        if error:
            run_began, length = None, 0
            continue
        run_began = due if run_began is None else run_began
        length += 1
        if length >= consecutive:
            return max(0.0, run_began - end_s)
    return None


def timeline(samples: Samples, marks: Sequence[Mark], bin_s: float = BIN_S) -> list[Series]:
    """The run as evidence: rate of right answers, errors, and median latency over time, with the
    faults marked.
    """
    seen = samples.timeline(bin_s)
    errors = dict(seen.errors)
    right = [(at, round(rate - errors.get(at, 0.0), 3)) for at, rate in seen.rate]
    wrong = sum(bool(error) for error in samples.error)
    faults = (
        ", ".join(f"{mark.text} from {mark.start_s:.1f} to {mark.end_s:.1f} s" for mark in marks)
        or "no fault"
    )
    text = f"{len(samples) - wrong} of {len(samples)} requests were answered rightly; {faults}."
    kept = list(marks)
    return [
        Series(
            kind="timeline",
            title="Right answers",
            unit="req/s",
            app=right,
            marks=kept,
            summary=text,
        ),
        Series(
            kind="timeline",
            title="Errors",
            unit="req/s",
            app=seen.errors,
            marks=kept,
            summary=f"{wrong} requests failed or were answered wrongly.",
        ),
        Series(
            kind="timeline",
            title="Median latency",
            unit="ms",
            app=seen.p50_ms,
            marks=kept,
            summary="Half-second bins; a bin in which half of the requests failed has no point.",
        ),
    ]
