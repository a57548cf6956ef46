"""The checks of a lab as modules, as the probe has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

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
