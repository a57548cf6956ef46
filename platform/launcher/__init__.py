"""Starts, supervises and stops everything for ``./seatrial up``; sets up and runs the tests for
``./seatrial test``.
"""
