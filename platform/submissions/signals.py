"""What other apps may listen to."""

from django.dispatch import Signal

run_finished = Signal()
"""Sent after commit with ``run`` (a GradingRun) once it has a verdict. Receivers must bear being called twice."""
