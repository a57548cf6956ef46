"""The ``postgres`` kind: PostgreSQL 17 with pgvector. /data survives a restart within the run."""

from __future__ import annotations

from grader.sidecars.base import SidecarConfig
from grader.spec import Sidecar


class PostgresConfig(SidecarConfig):
    """The one account and database of the run. Nothing outside of the pod can reach it."""

    user: str = "app"
    password: str = "app"  # noqa: S105 - a database that lives for one run, in a pod without a network
    database: str = "app"


def postgres_env(sidecar: Sidecar) -> dict[str, str]:
    """What the image's entry script reads. The lab's own ``env`` wins, so a lab may write these names directly."""
    config = PostgresConfig.model_validate(sidecar.config)
    made = {
        "POSTGRES_USER": config.user,
        "POSTGRES_PASSWORD": config.password,
        "POSTGRES_DB": config.database,
    }
    return {name: value for name, value in made.items() if name not in sidecar.env}
