"""The run of the incidents as evidence: what happened, what the model billed, and when alerts
fired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lab_checks.world import Phase

from grader.lab_api import Mark, Series, timeline

BIN_S = 0.5


def alert_mark(alert: str, incident: str, first_s: float, last_s: float, began_s: float) -> Mark:
    """A band on the timeline for the time in which an alert fired."""
    start, end = max(0.0, first_s - began_s), max(0.0, last_s - began_s)
    text = f"alert {alert[:40]} ({incident[:20]})"
    return Mark(
        start_s=round(start, 2), end_s=round(max(end, start + 0.2), 2), text=text, kind="alert"
    )


def lines(phase: Phase, marks: Sequence[Mark]) -> list[Series]:
    """Right answers, errors and latency, then abstentions and tokens, each with the faults and the
    alerts as bands.
    """
    abstained: dict[int, int] = defaultdict(int)
    for index, due in zip(phase.samples.index, phase.samples.due, strict=True):
        abstained[int(due / BIN_S)] += phase.traffic.turns[index].outcome == "abstained"
    billed: dict[int, list[int]] = defaultdict(list)
    for row in phase.calls:
        if row["status"] == 200:
            billed[int((row["start"] - phase.began) / BIN_S)].append(
                row["prompt_tokens"] + row["completion_tokens"]
            )
    never = f"{sum(abstained.values())} questions got NOT_FOUND."
    most = max((sum(tokens) / len(tokens) for tokens in billed.values()), default=0.0)
    return [
        *timeline(phase.samples, marks),
        Series(
            kind="timeline",
            title="Abstentions",
            unit="req/s",
            app=[
                (round(at * BIN_S, 1), round(count / BIN_S, 2))
                for at, count in sorted(abstained.items())
            ],
            marks=list(marks),
            summary=never,
        ),
        Series(
            kind="timeline",
            title="Billed tokens of an answer",
            unit="tokens",
            app=[
                (round(at * BIN_S, 1), round(sum(t) / len(t), 1))
                for at, t in sorted(billed.items())
            ],
            marks=list(marks),
            summary=f"By the model's ledger; at most {most:.0f} within half a second.",
        ),
    ]
