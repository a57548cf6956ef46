"""What other apps may listen to."""

from django.dispatch import Signal

regrade_published = Signal()
"""Sent in the transaction that publishes a batch, with ``pairs``:

[(old run, new run)]; the new ones are judged.
"""

run_finished = Signal()
"""Sent after commit with ``run`` (a GradingRun) once it has a verdict.

Receivers must bear being called twice.
"""
