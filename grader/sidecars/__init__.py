"""The table of sidecar kinds. One line per kind."""

from __future__ import annotations

from grader.sidecars.base import SidecarKind
from grader.sidecars.clock.config import ClockConfig
from grader.sidecars.fault_proxy.config import ProxyConfig
from grader.sidecars.model_gateway.config import GatewayConfig
from grader.sidecars.otlp.config import OtlpConfig
from grader.sidecars.postgres import PostgresConfig, postgres_env
from grader.sidecars.prometheus.config import PrometheusConfig
from grader.sidecars.valkey import ValkeyConfig, valkey_env

PYTHON_IMAGE = "seatrial/probe:1"

KINDS: dict[str, SidecarKind] = {
    kind.id: kind
    for kind in (
        SidecarKind(
            id="model-gateway",
            image=PYTHON_IMAGE,
            command=("python", "-m", "grader.sidecars.model_gateway"),
            config_model=GatewayConfig,
            interactive=True,
        ),
        SidecarKind(
            id="fault-proxy",
            image=PYTHON_IMAGE,
            command=("python", "-m", "grader.sidecars.fault_proxy"),
            config_model=ProxyConfig,
            interactive=True,
        ),
        SidecarKind(
            id="clock",
            image=PYTHON_IMAGE,
            command=("python", "-m", "grader.sidecars.clock"),
            config_model=ClockConfig,
            interactive=True,
        ),
        SidecarKind(
            id="otlp",
            image=PYTHON_IMAGE,
            command=("python", "-m", "grader.sidecars.otlp"),
            config_model=OtlpConfig,
            interactive=True,
        ),
        SidecarKind(
            id="prometheus",
            image="seatrial/observe:1",
            config_model=PrometheusConfig,
            interactive=True,
            tmp_mb=128,
        ),
        SidecarKind(
            id="postgres",
            image="seatrial/postgres:1",
            config_model=PostgresConfig,
            env=postgres_env,
            data_mb=256,
        ),
        SidecarKind(
            id="valkey",
            image="seatrial/edge:1",
            command=("/opt/seatrial/edge/store.sh",),
            config_model=ValkeyConfig,
            env=valkey_env,
        ),
    )
}
