"""Grading one run: from a job to a result."""
