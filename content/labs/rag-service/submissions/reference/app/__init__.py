"""Answers with evidence: hybrid retrieval over clauses in force, and a model that sees only
those.
"""
