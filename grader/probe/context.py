"""The Context that checks get, and the loading of a lab's own checks."""

from __future__ import annotations

import base64
import importlib
import random
import socket
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.checks import find
from grader.checks.base import Check
from grader.checks.once import Once
from grader.http.client import Target
from grader.lab import CheckUse, LabSpec
from grader.lab_api import MOVED
from grader.probe.wire import Wire
from grader.wire.probe import KEY_HEADER, Log, Start

PACKAGE = "lab_checks"


class ProbeContext(Once):
    """Implements grader.checks.base.Context over the wire."""

    def __init__(self, start: Start, wire: Wire) -> None:
        super().__init__()
        self.spec: LabSpec = start.spec
        self.seed = start.seed
        self._wire = wire
        self._files = {path: base64.b64decode(text) for path, text in start.files.items()}
        # Names are resolved once: a lookup for each connection would be measured as latency.
        keys = (
            {start.spec.baseline.name: {KEY_HEADER: start.baseline_key}}
            if start.spec.baseline
            else {}
        )
        self._targets = {
            n: Target(n, socket.gethostbyname(n), port, keys.get(n))
            for n, port in start.ports.items()
        }
        _install(self._files)

    @property
    def app(self) -> Target:
        return self._targets[self.spec.service.name]

    @property
    def replicas(self) -> tuple[str, ...]:
        return tuple(self.spec.app_ports)

    def target(self, name: str) -> Target:
        return self._targets[name]

    def rng(self, label: str) -> random.Random:
        return random.Random(f"{self.seed}\0{label}")

    def lab_module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{PACKAGE}.{name}")

    def lab_file(self, path: str) -> bytes:
        return self._files[path]

    async def control(self, action: str, party: str, **args: Any) -> dict[str, Any]:
        return await self._wire.control(action, party, args)

    def note(self, text: str) -> None:
        self._wire.send(Log(text=text[:500]))

    async def close(self) -> None:
        for target in self._targets.values():
            await target.close()


def _install(files: dict[str, bytes]) -> None:
    """Write the lab's checks to a folder of their own and make them importable as
    ``lab_checks``.
    """
    root = Path(tempfile.mkdtemp(prefix="lab-"))
    (root / PACKAGE).mkdir()
    (root / PACKAGE / "__init__.py").touch()
    for path, data in files.items():
        if path.startswith("checks/"):
            target = root / PACKAGE / path.removeprefix("checks/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    sys.path.insert(0, str(root))
    for old, new in MOVED.items():
        sys.modules.setdefault(old, importlib.import_module(new))


def make_check(use: CheckUse) -> Check:
    """The check that a criterion names, with validated parameters."""
    if use.check.startswith("lab:"):
        module, _, name = use.check[4:].partition(".")
        cls: type[Check] = getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
    else:
        cls = find(use.check)
    return cls(cls.params_model.model_validate(use.params))
