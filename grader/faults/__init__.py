"""Faults that a check injects while load goes on, and how a system behaved during them and
after.
"""
