"""The learner's Dockerfile: read by a strict grammar, linted, and written anew. Knows no engine.

The daemon never parses the learner's bytes. What this grammar does not understand is refused, and
what it understands is serialised again, so that no two parsers can differ over it.
"""

from grader.dockerfile.bases import Bases, Table, as_bases
from grader.dockerfile.lint import lint
from grader.dockerfile.plan import Fault, Plan
from grader.dockerfile.rewrite import MAX_INSTRUCTIONS, MAX_STAGES, canonical, read

__all__ = [
    "MAX_INSTRUCTIONS",
    "MAX_STAGES",
    "Bases",
    "Fault",
    "Plan",
    "Table",
    "as_bases",
    "canonical",
    "lint",
    "read",
]
