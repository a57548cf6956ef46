"""PostgreSQL 17 with pgvector, as a sidecar kind."""

from __future__ import annotations

from pydantic import Field

from grader.lab import Sidecar
from grader.sidecars.base import SidecarConfig, SidecarKind

_NAME = r"^[a-z_][a-z0-9_]{0,62}$"


class PostgresConfig(SidecarConfig):
    """Owner, password and name of the one database. Its owner may ``create extension vector``.

    The image fixes the server's settings: 32 MB of shared buffers, 60 connections, no JIT.
    """

    user: str = Field("app", pattern=_NAME)
    password: str = Field("app", min_length=1, max_length=100, pattern=r"^[!-~]+$")
    database: str = Field("app", pattern=_NAME)


def postgres_env(sidecar: Sidecar) -> dict[str, str]:
    """What the image reads at its first start. ``env:`` of the lab wins over ``config:``."""
    config = PostgresConfig.model_validate(sidecar.config)
    made = {
        "POSTGRES_USER": config.user,
        "POSTGRES_PASSWORD": config.password,
        "POSTGRES_DB": config.database,
    }
    return {name: sidecar.env.get(name, value) for name, value in made.items()}


KIND = SidecarKind(
    id="postgres",
    image="seatrial/postgres:1",
    config_model=PostgresConfig,
    env=postgres_env,
    data_mb=256,
)
