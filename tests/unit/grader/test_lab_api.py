"""The surface that labs stand on: complete, closed, and never smaller than it was."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest
from site_up import ROOT

from grader import lab_api
from grader.lab_api import MOVED, WHERE
from grader.probe.context import _install

LABS = ROOT / "content" / "labs"
CHECKS = sorted(LABS.glob("*/checks/**/*.py"))
# The names of API 1 at its first day. One that is missing breaks the re-grade of a published
# version.
FIRST = [
    "Check",
    "Context",
    "Params",
    "PartyFailed",
    "Case",
    "at_pointer",
    "counted",
    "every",
    "failed",
    "passed",
    "undecided",
    "seconds_histogram",
    "RollingReplacement",
    "Bm25",
    "Quality",
    "evaluate",
    "fuse",
    "measured_share",
    "recall_series",
    "wilson",
    "Stream",
    "Streaming",
    "StreamingParams",
    "read_stream",
    "Faults",
    "timeline",
    "events_of",
    "media_type",
    "Target",
    "Response",
    "attack",
    "Background",
    "ClosedLoop",
    "Slice",
    "Wrong",
    "Plan",
    "compare",
    "Samples",
    "percentile",
    "Schedule",
    "constant",
    "step",
    "quiet_collector",
    "MARGIN",
    "Decision",
    "decide",
    "next_look",
    "ratio_measured",
    "ratio_rule",
    "Answer",
    "Request",
    "is_unanswered",
    "json_request",
    "Mark",
    "Measured",
    "Measurement",
    "Outcome",
    "Rule",
    "Series",
    "Embedder",
    "FaultRule",
    "ChatRequest",
    "Reader",
    "stream",
    "asked",
    "digest_of",
]


def imported(path: Path) -> list[str]:
    """Modules of grader that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [name for name in found if name.split(".")[0] == "grader"]


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: str(path.relative_to(LABS)))
def test_a_lab_imports_the_surface_and_nothing_else_of_grader(path: Path) -> None:
    assert set(imported(path)) <= {"grader.lab_api"}


@pytest.mark.parametrize("name", FIRST)
def test_no_name_is_ever_taken_away(name: str) -> None:
    assert getattr(lab_api, name) is not None
    assert name in dir(lab_api)


def test_what_a_type_checker_sees_is_what_a_lab_gets() -> None:
    tree = ast.parse(Path(str(lab_api.__file__)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {(module, name) for module, names in WHERE.items() for name in names}


def test_another_name_says_where_to_look() -> None:
    with pytest.raises(AttributeError, match=r"docs/lab-author\.md"):
        _ = lab_api.Deployment


def test_versions_from_before_the_surface_still_import(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MOVED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    old = b"from grader.probe.http import Target\nfrom grader.probe.response import Response\nT, R = Target, Response\n"
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab_checks"]:
        monkeypatch.delitem(sys.modules, name)
    _install({"checks/older.py": old})
    module: Any = __import__("lab_checks.older", fromlist=["T"])
    assert (lab_api.Target, lab_api.Response) == (module.T, module.R)
    monkeypatch.delitem(sys.modules, "lab_checks.older")
    monkeypatch.delitem(sys.modules, "lab_checks")
