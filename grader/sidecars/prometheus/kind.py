"""The sidecar's ``config:`` in lab.yaml, and the configuration files of Prometheus that follow from
it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from grader.sidecars.base import SidecarConfig, SidecarKind

JOB = "app"
RESERVED = "up|scrape_.*|ALERTS.*"
"""Names that Prometheus itself writes: a service must not speak in its name."""


class PrometheusConfig(SidecarConfig):
    """``target``: 'name:port' of the service to scrape.

    A scrape that breaks a limit fails as a whole.
    """

    target: str = Field("app:8080", pattern=r"^[a-z][a-z0-9-]{0,40}:[0-9]{1,5}$")
    path: str = Field("/metrics", pattern=r"^/[!-~]{0,200}$")
    interval_s: float = Field(1, ge=0.5, le=15, description="of scrapes and of rule evaluations")
    sample_limit: int = Field(20_000, ge=100, le=100_000, description="samples of one scrape")
    body_limit_mb: int = Field(4, ge=1, le=16)


def server_config(config: PrometheusConfig, rule_files: str) -> dict[str, Any]:
    """prometheus.yml as plain data (JSON is YAML).

    Timestamps are ours: a service can't write the past.
    """
    interval = f"{round(config.interval_s * 1000)}ms"
    job = {
        "job_name": JOB,
        "metrics_path": config.path,
        "static_configs": [{"targets": [config.target]}],
        "scrape_timeout": f"{round(config.interval_s * 900)}ms",
        "honor_labels": False,
        "honor_timestamps": False,
        "follow_redirects": False,
        "enable_http2": False,
        "sample_limit": config.sample_limit,
        "body_size_limit": f"{config.body_limit_mb}MB",
        "label_limit": 32,
        "label_name_length_limit": 100,
        "label_value_length_limit": 300,
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": RESERVED, "action": "drop"}
        ],
    }
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [rule_files],
        "scrape_configs": [job],
    }


def server_flags(folder: str, port: int) -> list[str]:
    """The command line. No lifecycle or admin API, no remote writes; queries are bounded."""
    return [
        f"--config.file={folder}/prometheus.json",
        f"--web.config.file={folder}/web.json",
        f"--web.listen-address=0.0.0.0:{port}",
        "--web.max-connections=64",
        "--web.read-timeout=10s",
        f"--storage.tsdb.path={folder}/data",
        "--storage.tsdb.retention.time=2h",
        "--storage.tsdb.wal-segment-size=10MB",
        "--query.timeout=3s",
        "--query.max-concurrency=4",
        "--query.max-samples=2000000",
        "--query.lookback-delta=10s",
        "--log.level=warn",
    ]


KIND = SidecarKind(
    id="prometheus",
    image="seatrial/observe:1",
    config_model=PrometheusConfig,
    interactive=True,
    tmp_mb=128,
)
