"""Runs, grades and proves deployed AI systems. Pure Python: no Django, no Celery."""

__version__ = "0.1.0"
