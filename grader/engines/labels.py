"""Labels on everything that a run creates in the engine, so that a sweep finds it whatever became
of the worker.
"""

from __future__ import annotations

from collections.abc import Mapping

from grader.engines.base import RunLabels

LABEL_RUN = "seatrial.run"
LABEL_FENCE = "seatrial.fence"
LABEL_INSTALLATION = "seatrial.installation"
LABEL_EXPIRES = "seatrial.expires"
LABEL_HELD = "seatrial.held"
"""On images kept between runs (lab baselines): its value is their key, and a sweep leaves them
alone.
"""


def as_labels(labels: RunLabels) -> dict[str, str]:
    """The labels of one run, as the engine stores them."""
    return {
        LABEL_RUN: labels.run_id,
        LABEL_FENCE: str(labels.fence),
        LABEL_INSTALLATION: labels.installation,
        LABEL_EXPIRES: str(labels.expires_at),
    }


def from_labels(found: Mapping[str, str]) -> RunLabels | None:
    """The run that an object belongs to; None when it carries no label of ours.

    Labels can be forged by an image, so numbers that are none count as fence 0 and as expired.
    """
    run_id = found.get(LABEL_RUN)
    if not run_id:
        return None
    return RunLabels(
        run_id,
        _number(found.get(LABEL_FENCE)),
        found.get(LABEL_INSTALLATION, ""),
        _number(found.get(LABEL_EXPIRES)),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0
