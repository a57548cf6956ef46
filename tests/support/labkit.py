"""The checks of a lab as modules, as the probe has them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.checks.base import Check, Unmeasurable
from grader.lab import load_lab
from grader.result import Measurement

LABS = Path(__file__).parents[2] / "content" / "labs"
PACKAGE = "lab_checks"


@contextmanager
def lab_checks(lab: str) -> Iterator[None]:
    """Make the folder ``checks`` of this lab importable as ``lab_checks``; another lab's comes back
    afterwards.
    """
    before = _loaded()
    for name in before:
        del sys.modules[name]
    package = ModuleType(PACKAGE)
    package.__path__ = [str(LABS / lab / "checks")]
    sys.modules[PACKAGE] = package
    try:
        yield
    finally:
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(before)


def _loaded() -> dict[str, ModuleType]:
    return {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE
    }


@cache
def params_of(lab: str) -> dict[str, dict[str, Any]]:
    """'module.Class' -> the parameters that lab.yaml gives it: thresholds stand there alone."""
    uses = [use for c in load_lab(LABS / lab).spec.rubric.criteria for use in c.checks]
    return {use.check.removeprefix("lab:"): use.params for use in uses}


def check_of(lab: str, name: str, **short: Any) -> Check:
    """The check 'module.Class' as the rubric uses it; ``short`` makes it quicker for a test."""
    module, _, cls = name.partition(".")
    check: type[Check] = getattr(importlib.import_module(f"{PACKAGE}.{module}"), cls)
    params = {**params_of(lab).get(name, {}), **short}
    return check(check.params_model.model_validate(params))


async def measured(check: Check, ctx: Any) -> Measurement:
    """What the criterion gets, as the probe has it: also when there is nothing to measure."""
    try:
        return await check.run(ctx)
    except Unmeasurable as nothing:
        return nothing.measurement
