"""The table of sidecar kinds. One line per kind."""

from __future__ import annotations

from grader.sidecars.base import SidecarKind

KINDS: dict[str, SidecarKind] = {}
