"""Our own images: what they contain (``recipes/``), whether the engine's are current, and how they
are built.
"""

from __future__ import annotations

from grader.images.build import current, ensure
from grader.images.catalog import NAMES

__all__ = ["NAMES", "current", "ensure"]
