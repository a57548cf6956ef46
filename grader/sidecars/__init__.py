"""The table of sidecar kinds: one line a kind. Each says in its own module what it is."""

from __future__ import annotations

from grader.sidecars import postgres, valkey
from grader.sidecars.base import SidecarKind
from grader.sidecars.clock import kind as clock
from grader.sidecars.fault_proxy import kind as fault_proxy
from grader.sidecars.model_gateway import kind as model_gateway
from grader.sidecars.otlp import kind as otlp
from grader.sidecars.prometheus import kind as prometheus

KINDS: dict[str, SidecarKind] = {
    module.KIND.id: module.KIND
    for module in (
        model_gateway,
        fault_proxy,
        clock,
        otlp,
        prometheus,
        postgres,
        valkey,
    )
}
