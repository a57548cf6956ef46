"""The broker is a bell: it wakes a worker, which then asks the database what there is to do."""

from __future__ import annotations

import logging

from celery import current_app

log = logging.getLogger(__name__)
TASK = "submissions.tasks.run_grading"


def ring(run_id: int) -> None:
    """Wake a worker. A broker that does not answer is only logged: the sweep rings again."""
    try:
        current_app.send_task(TASK, args=[run_id], retry=False)
    except Exception:
        log.warning(
            "The broker did not take the bell for run %s; the sweep rings again.",
            run_id,
            exc_info=True,
        )
